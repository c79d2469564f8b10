#include "base/secret.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

namespace hauberk {

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    value_ = std::move(other.value_);
    other.wipe();
  }
  return *this;
}

void Secret::wipe() noexcept {
  if (value_.capacity() != 0) {
    value_.resize(value_.capacity());  // never allocates: the size grows into what is there
    ::explicit_bzero(value_.data(), value_.size());
  }
  value_.clear();
}

Result<SecretRef> SecretRef::parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon != std::string_view::npos && colon + 1 < text.size()) {
    const auto scheme = text.substr(0, colon);
    if (scheme == "pkcs11" && text.contains("pin-value"))
      return fail(Errc::invalid, "a PIN does not belong here: say in pkcs11.pin where it is");
    for (const std::string_view known : {"env", "file", "vault", "aws-sm", "pkcs11"})
      if (scheme == known) return SecretRef{std::string(scheme), std::string(text.substr(colon + 1))};
  }
  // The text itself is not repeated: it may be the secret that somebody wrote here.
  return fail(Errc::invalid,
              "expected a reference to a secret, such as env:NAME, file:/run/secrets/name, vault:PATH#KEY or "
              "aws-sm:NAME#KEY; a literal secret is not accepted here");
}

bool environment_has(const char* name) { return std::getenv(name) != nullptr; }

std::optional<std::string> environment_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

Result<Secret> resolve(const SecretRef& reference) {
  if (reference.scheme == "env") {
    const char* value = std::getenv(reference.place.c_str());
    if (value == nullptr || *value == '\0')
      return fail(Errc::not_found, fmt::format("the environment variable {} is not set", reference.place),
                  reference.text());
    return Secret(std::string_view(value));
  }
  if (reference.scheme == "file") {
    const int fd = ::open(reference.place.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0)
      return fail(Errc::not_found, fmt::format("cannot open the secret's file: {}", ::strerror(errno)),
                  reference.text());
    struct stat info{};
    Bytes value;
    const bool known = ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (known && (info.st_mode & 077) == 0 && info.st_size <= 1 << 20) {
      value.resize(static_cast<std::size_t>(info.st_size));
      const auto n = ::read(fd, value.data(), value.size());
      value.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    }
    ::close(fd);
    if (!known) return fail(Errc::invalid, "the secret's file is not a regular file", reference.text());
    if ((info.st_mode & 077) != 0)
      return fail(Errc::denied,
                  fmt::format("others may read the secret's file (mode {:04o}); run: chmod 600 {}",
                              info.st_mode & 07777, reference.place),
                  reference.text());
    if (!value.empty() && value.back() == '\n') value.pop_back();
    if (value.empty()) return fail(Errc::invalid, "the secret's file is empty or larger than 1 MiB", reference.text());
    return Secret(std::move(value));
  }
  return fail(Errc::unsupported,
              fmt::format("secrets of the kind {}: cannot be read here; use env: or file:", reference.scheme),
              reference.text());
}

}  // namespace hauberk
