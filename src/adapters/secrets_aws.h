// SecretSource for aws-sm: references, over the API of AWS Secrets Manager, signed by Signature Version 4:
// "NAME", "NAME#KEY" for a key of a JSON secret, "NAME?stage=AWSPREVIOUS#KEY"; NAME may be an ARN. Credentials are
// those of the usual chain, looked up when they are needed: AWS_ACCESS_KEY_ID and its companions, the shared
// credentials file, the container's address (AWS_CONTAINER_CREDENTIALS_*), the instance's metadata. Errors: not_found,
// denied, unauthenticated (no credentials), unavailable, invalid. Thread safety: any.
#pragma once

#include <memory>
#include <string>

#include "base/file.h"
#include "base/secret_resolver.h"
#include "net/http_client.h"

namespace hauberk::adapters {

struct AwsOptions {
  std::string region;    // empty: AWS_REGION, AWS_DEFAULT_REGION, or that of the ARN
  std::string endpoint;  // empty: AWS_ENDPOINT_URL_SECRETS_MANAGER, AWS_ENDPOINT_URL, or the region's
  Duration timeout = std::chrono::seconds(10);
};

std::unique_ptr<SecretSource> make_secrets_aws(AwsOptions options, Files& files, const Clock& clock,
                                               std::unique_ptr<net::HttpClient> http);

}  // namespace hauberk::adapters
