// SecretSource for aws-sm: references, over the API of AWS Secrets Manager, signed by Signature Version 4:
// "NAME", "NAME#KEY" for a key of a JSON secret, "NAME?stage=AWSPREVIOUS#KEY"; NAME may be an ARN. Errors: not_found,
// denied, and those of the client. Thread safety: any.
#pragma once

#include <memory>

#include "base/file.h"
#include "base/secret_resolver.h"
#include "net/aws_client.h"

namespace hauberk::adapters {

std::unique_ptr<SecretSource> make_secrets_aws(net::AwsOptions options, Files& files, const Clock& clock,
                                               std::unique_ptr<net::HttpClient> http);

}  // namespace hauberk::adapters
