// A token where its id is asked for on the command line: people paste it whole. Only its id goes on from there, into
// events, errors and output.
#pragma once

#include <string>

#include "base/result.h"
#include "crypto/token.h"

namespace hauberk::app {

// The text itself if it does not begin as a token does. invalid: a token with a mistake in it, which is not repeated.
inline Result<std::string> token_id(const std::string& text) {
  if (!text.starts_with("hbk_")) return text;
  if (const auto parts = crypto::parse_token(text)) return std::string(parts->id);
  return fail(Errc::invalid, "this is a token with a mistake in it; give its id, as `hauberk token list` shows it");
}

}  // namespace hauberk::app
