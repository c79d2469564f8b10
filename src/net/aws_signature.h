// AWS Signature Version 4 (docs.aws.amazon.com, "Signature Version 4 signing process"): the header form, for one
// request. Canonicalisation is the published one: the path normalised on request and percent-encoded, the query decoded
// and encoded anew, header values trimmed with inner spaces made one. The steps are shown, so that the published test
// suite can be held against each of them; canonical_request holds the session token and must not be logged. Pure; any
// thread.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "base/time.h"

namespace hauberk::net {

struct AwsCredentials {
  std::string access_key;
  Secret secret_key;
  Secret session_token;  // empty: none
};

struct AwsRequest {
  std::string method = "POST";
  std::string path = "/";  // as it goes over the wire; may be normalised in the signature
  std::string query;       // without '?'
  std::vector<std::pair<std::string, std::string>> headers;  // must hold Host
  ByteView body;
};

enum class AwsPath { as_it_is, normalised };  // S3 takes it as it is, everybody else normalises
enum class AwsSessionToken { is_signed, is_added_after };

struct AwsScope {
  std::string region;
  std::string service;
  AwsPath path = AwsPath::normalised;
  AwsSessionToken session_token = AwsSessionToken::is_signed;
};

struct AwsSignature {
  std::string canonical_request;
  std::string string_to_sign;
  std::string date;           // for X-Amz-Date
  std::string authorization;  // for Authorization
};

// X-Amz-Date and X-Amz-Security-Token are signed beside the headers given; the caller sends them and Authorization.
AwsSignature sign_aws(const AwsRequest& request, const AwsCredentials& credentials, const AwsScope& scope, Instant now);

}  // namespace hauberk::net
