// KeyKeeper over AWS KMS: "aws-kms:alias/NAME", "aws-kms:KEY-ID" or "aws-kms:ARN". Keys of the spec ECC_NIST_P256 sign
// (a SHA-256 goes over the wire, not what is signed), SYMMETRIC_DEFAULT wraps; its encryption context holds the
// SHA-256 of what the wrapped key is bound to. A KeptKey is the key behind an alias, by its ARN, so that an alias that
// is pointed elsewhere changes nothing; KMS's own rotation of a symmetric key needs nothing here. Ed25519 is not used:
// KMS signs at most 4096 bytes by it. Errors and threads: as the port and net/aws_client.h.
#pragma once

#include <memory>

#include "crypto/key_keeper.h"
#include "net/aws_client.h"

namespace hauberk::adapters {

std::shared_ptr<crypto::KeyKeeper> make_keys_aws(std::shared_ptr<net::AwsClient> kms);

}  // namespace hauberk::adapters
