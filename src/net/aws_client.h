// AwsClient: calls of one AWS service that speaks JSON 1.1 (Secrets Manager, KMS), signed by Signature Version 4.
// Credentials are those of the usual chain, looked up when they are needed: AWS_ACCESS_KEY_ID and its companions, the
// shared credentials file, a web identity (AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN: exchanged at STS, kept until
// shortly before it expires), the container's address (AWS_CONTAINER_CREDENTIALS_*), the instance's metadata. What may
// pass by itself is asked for three times. Errors: unauthenticated (no credentials), unavailable, deadline, exhausted,
// invalid (no region). Thread safety: any.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/file.h"
#include "net/aws_signature.h"
#include "net/http_client.h"
#include "net/wiped_json.h"

namespace hauberk::net {

struct AwsOptions {
  std::string service;                          // "secretsmanager", "kms": in addresses and signatures
  std::string target;                           // "secretsmanager", "TrentService": in X-Amz-Target
  std::string region;                           // empty: AWS_REGION, AWS_DEFAULT_REGION, or that of the ARN
  std::string endpoint;                         // empty: AWS_ENDPOINT_URL_…, AWS_ENDPOINT_URL, or the region's
  std::string endpoint_variable;                // "AWS_ENDPOINT_URL_KMS"
  Duration timeout = std::chrono::seconds(10);  // of one call
};

struct AwsAnswer {
  int status = 0;
  std::string error;  // the type that the service tells, such as "AccessDeniedException"; empty if the status is 200
  WipedJson body;     // null unless the status is 200
};

class AwsClient {
 public:
  AwsClient(AwsOptions options, Files& files, const Clock& clock, std::unique_ptr<HttpClient> http);
  // `name`: of the thing asked for; an ARN tells its region where none is configured.
  Result<AwsAnswer> call(std::string_view name, std::string_view action, const WipedJson& body);

 private:
  Result<std::string> region_for(std::string_view name) const;
  Result<AwsCredentials> credentials(std::string_view region);
  Result<AwsCredentials> of_web_identity(const std::string& token_file, std::string_view region);
  Result<AwsCredentials> of_machine();
  Result<Secret> metadata(HttpCall& ask);

  const AwsOptions options_;
  Files& files_;
  const Clock& clock_;
  const std::unique_ptr<HttpClient> http_;
  std::mutex mutex_;
  AwsCredentials assumed_;  // by a web identity; without a key: none yet
  Instant assumed_until_{};
};

}  // namespace hauberk::net
