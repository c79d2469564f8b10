#include "adapters/keys_pkcs11_module.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <map>
#include <mutex>

namespace hauberk::adapters {
namespace {

// SubjectPublicKeyInfo before the point: of P-256 (RFC 5480) and of Ed25519 (RFC 8410).
constexpr std::uint8_t p256_info[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
                                      0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
constexpr std::uint8_t edwards_info[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};

void append_integer(Bytes& out, ByteView number) {
  while (number.size() > 1 && number.front() == 0) number = number.subspan(1);
  const bool negative = (number.front() & 0x80) != 0;  // as DER would read it
  out.push_back(0x02);
  out.push_back(static_cast<std::uint8_t>(number.size() + (negative ? 1 : 0)));
  if (negative) out.push_back(0);
  out.insert(out.end(), number.begin(), number.end());
}

}  // namespace

Result<std::shared_ptr<Pkcs11Module>> Pkcs11Module::load(const std::string& path) {
  static std::mutex mutex;
  static std::map<std::string, std::weak_ptr<Pkcs11Module>> loaded;
  const std::lock_guard lock(mutex);
  if (auto there = loaded[path].lock()) return there;
  void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    return fail(Errc::unavailable, fmt::format("the module cannot be loaded: {}", why == nullptr ? "?" : why), path);
  }
  const auto list = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
  CK_FUNCTION_LIST* functions = nullptr;
  if (list == nullptr || list(&functions) != CKR_OK || functions == nullptr) {
    ::dlclose(library);
    return fail(Errc::unavailable, "this is no PKCS #11 module", path);
  }
  std::shared_ptr<Pkcs11Module> module(new Pkcs11Module(path, functions));
  loaded[path] = module;
  return module;
}

Pkcs11Module::Pkcs11Module(std::string path, CK_FUNCTION_LIST* functions)
    : path_(std::move(path)), functions_(functions) {}

Pkcs11Module::~Pkcs11Module() {
  // In a child that never used it, it is left to the parent. The library stays loaded: it may have threads of its own.
  if (ours_ && process_ == ::getpid()) (void)functions_->C_Finalize(nullptr);
}

Result<CK_FUNCTION_LIST*> Pkcs11Module::functions() {
  if (process_ == ::getpid()) return functions_;
  CK_C_INITIALIZE_ARGS arguments{};
  arguments.flags = CKF_OS_LOCKING_OK;
  const auto answer = functions_->C_Initialize(&arguments);
  if (answer != CKR_OK && answer != CKR_CRYPTOKI_ALREADY_INITIALIZED)
    return fail(Errc::unavailable, fmt::format("the module does not start (CKR 0x{:x})", answer), path_);
  ours_ = answer == CKR_OK;
  process_ = ::getpid();
  return functions_;
}

Result<crypto::VerifyingKey> key_of_point(crypto::SignatureAlgorithm algorithm, ByteView point) {
  const bool edwards = algorithm == crypto::SignatureAlgorithm::ed25519;
  const std::size_t size = edwards ? 32 : 65;
  if (point.size() == size + 2 && point[0] == 0x04 && point[1] == size) point = point.subspan(2);
  if (point.size() != size) return fail(Errc::corrupt, "the module shows no point of this curve");
  Bytes der = edwards ? Bytes(std::begin(edwards_info), std::end(edwards_info))
                      : Bytes(std::begin(p256_info), std::end(p256_info));
  der.insert(der.end(), point.begin(), point.end());
  return crypto::VerifyingKey::from_der(der);
}

Result<Bytes> der_signature(ByteView r_and_s) {
  if (r_and_s.size() != 64) return fail(Errc::corrupt, "the module's signature is not one of P-256");
  Bytes body;
  append_integer(body, r_and_s.first(32));
  append_integer(body, r_and_s.last(32));
  Bytes out{0x30, static_cast<std::uint8_t>(body.size())};  // at most 70
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

}  // namespace hauberk::adapters
