#include "adapters/keys_pkcs11.h"

#include <fmt/format.h>
#include <p11-kit/pkcs11.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <vector>

#include "adapters/keys_pkcs11_module.h"
#include "adapters/keys_pkcs11_uri.h"
#include "net/service_secret.h"

namespace hauberk::adapters {
namespace {

using crypto::KeptKey;
using crypto::KeyUse;
using crypto::SignatureAlgorithm;
using net::ServiceSecret;

constexpr std::size_t nonce_size = 12, tag_size = 16, largest_wrapped = 4096, longest_value = 4096;
// The curve as its OID and, as some modules have it, by name.
constexpr std::uint8_t p256_oid[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07};

// PKCS #11 takes what it only reads by pointers that could change it.
unsigned char* mutable_bytes(ByteView bytes) { return const_cast<unsigned char*>(bytes.data()); }

// The session or its handles are void: enter anew and try once more.
bool is_lost(CK_RV answer) {
  switch (answer) {
    case CKR_SESSION_HANDLE_INVALID:
    case CKR_SESSION_CLOSED:
    case CKR_USER_NOT_LOGGED_IN:
    case CKR_CRYPTOKI_NOT_INITIALIZED:
    case CKR_OBJECT_HANDLE_INVALID:
    case CKR_KEY_HANDLE_INVALID:
    case CKR_DEVICE_REMOVED:
    case CKR_TOKEN_NOT_PRESENT:
    case CKR_OPERATION_ACTIVE:
      return true;
    default:
      return false;
  }
}

std::unexpected<Error> refusal(std::string_view what, CK_RV answer) {
  switch (answer) {
    case CKR_PIN_INCORRECT:
    case CKR_PIN_INVALID:
    case CKR_PIN_LEN_RANGE:
      return fail(Errc::denied, "the module refuses the PIN; it is not tried again, so that the token is not locked");
    case CKR_PIN_LOCKED:
      return fail(Errc::denied, "the token is locked after too many wrong PINs");
    case CKR_KEY_FUNCTION_NOT_PERMITTED:
    case CKR_MECHANISM_INVALID:
    case CKR_MECHANISM_PARAM_INVALID:
    case CKR_KEY_TYPE_INCONSISTENT:
    case CKR_FUNCTION_NOT_SUPPORTED:
      return fail(Errc::unsupported, fmt::format("the module does not {} with this key (CKR 0x{:x})", what, answer));
    default:
      return fail(Errc::unavailable, fmt::format("the module cannot {} now (CKR 0x{:x})", what, answer));
  }
}

std::string_view trimmed(ByteView label) {
  auto text = as_text(label);
  while (text.ends_with(' ') || text.ends_with('\0')) text.remove_suffix(1);
  return text;
}

class Pkcs11Keys final : public crypto::KeyKeeper {
 public:
  Pkcs11Keys(Pkcs11Options options, Random& random) : options_(std::move(options)), random_(random) {}
  ~Pkcs11Keys() override { leave(); }

  Result<KeptKey> find(std::string_view place, KeyUse use) override {
    const std::lock_guard lock(mutex_);
    KeptKey out{.reference = fmt::format("pkcs11:{}", place), .version = {}, .verifying = {}};
    const auto uri = TRY(Pkcs11Uri::parse(place));
    return entered<KeptKey>(uri, [&] { return look_up(uri, use, std::move(out)); });
  }

  Result<Bytes> sign(const KeptKey& key, ByteView message) override {
    const bool edwards = key.verifying->algorithm() == SignatureAlgorithm::ed25519;
    CK_MECHANISM mechanism{edwards ? CKM_EDDSA : CKM_ECDSA, nullptr, 0};
    const auto digest = crypto::sha256(message);
    const ByteView input = edwards ? message : ByteView(digest.bytes);
    const auto done = with_key<Bytes>(key, CKO_PRIVATE_KEY, [&](CK_OBJECT_HANDLE object) -> Result<Bytes> {
      CHECK(checked("sign", functions_->C_SignInit(session_, &mechanism, object)));
      Bytes signature(512);
      CK_ULONG size = signature.size();
      CHECK(checked("sign", functions_->C_Sign(session_, mutable_bytes(input), input.size(), signature.data(), &size)));
      signature.resize(size);
      return signature;
    });
    if (!done || edwards) return done;
    return der_signature(*done);
  }

  Result<Bytes> wrap(const KeptKey& key, const Secret& data_key, ByteView associated) override {
    return with_key<Bytes>(key, CKO_SECRET_KEY, [&](CK_OBJECT_HANDLE object) -> Result<Bytes> {
      Bytes out = random_.bytes(nonce_size);
      auto parameters = gcm(out, associated);
      CK_MECHANISM mechanism{CKM_AES_GCM, &parameters, sizeof parameters};
      const auto plain = ServiceSecret::bytes(data_key);
      CHECK(checked("wrap", functions_->C_EncryptInit(session_, &mechanism, object)));
      Bytes sealed(plain.size() + tag_size);
      CK_ULONG size = sealed.size();
      CHECK(checked("wrap", functions_->C_Encrypt(session_, mutable_bytes(plain), plain.size(), sealed.data(), &size)));
      if (size != sealed.size()) return fail(Errc::unsupported, "the module's AES-GCM gives no tag of 16 bytes");
      out.insert(out.end(), sealed.begin(), sealed.end());
      return out;
    });
  }

  Result<Secret> unwrap(const KeptKey& key, ByteView wrapped, ByteView associated) override {
    const auto damaged = [] {
      return fail(Errc::corrupt,
                  "the module does not open a wrapped data key: the catalogue was changed or belongs to another "
                  "environment, or the key in the module was replaced");
    };
    if (wrapped.size() <= nonce_size + tag_size || wrapped.size() > largest_wrapped) return damaged();
    return with_key<Secret>(key, CKO_SECRET_KEY, [&](CK_OBJECT_HANDLE object) -> Result<Secret> {
      auto parameters = gcm(wrapped.first(nonce_size), associated);
      CK_MECHANISM mechanism{CKM_AES_GCM, &parameters, sizeof parameters};
      const auto sealed = wrapped.subspan(nonce_size);
      CHECK(checked("unwrap", functions_->C_DecryptInit(session_, &mechanism, object)));
      Bytes plain(sealed.size() + tag_size);  // some modules want room for the tag
      CK_ULONG size = plain.size();
      const auto answer = functions_->C_Decrypt(session_, mutable_bytes(sealed), sealed.size(), plain.data(), &size);
      const Secret whole(std::move(plain));
      // There is no one code for a tag that does not fit.
      if (answer == CKR_GENERAL_ERROR || answer == CKR_ENCRYPTED_DATA_INVALID ||
          answer == CKR_ENCRYPTED_DATA_LEN_RANGE || answer == CKR_DATA_INVALID || answer == CKR_FUNCTION_FAILED)
        return damaged();
      CHECK(checked("unwrap", answer));
      if (size != sealed.size() - tag_size) return damaged();
      return Secret(to_bytes(ServiceSecret::bytes(whole).first(size)));
    });
  }

  // The value of a data object.
  Result<Secret> data(std::string_view place) {
    const std::lock_guard lock(mutex_);
    const auto uri = TRY(Pkcs11Uri::parse(place));
    if (!uri.id.empty()) return fail(Errc::invalid, "data objects have no id: name the object by its label");
    return entered<Secret>(
        uri, [&]() -> Result<Secret> { return Secret(TRY(value_of(TRY(object_of(uri, CKO_DATA)), CKA_VALUE))); });
  }

 private:
  static CK_GCM_PARAMS gcm(ByteView nonce, ByteView associated) {
    CK_GCM_PARAMS out{};
    out.pIv = mutable_bytes(nonce);
    out.ulIvLen = nonce.size();
    out.ulIvBits = nonce.size() * 8;
    out.pAAD = mutable_bytes(associated);
    out.ulAADLen = associated.size();
    out.ulTagBits = tag_size * 8;
    return out;
  }

  // Remembers that the session is lost, which entered() looks at.
  Status checked(std::string_view what, CK_RV answer) {
    if (answer == CKR_OK) return {};
    lost_ = lost_ || is_lost(answer);
    return refusal(what, answer);
  }

  // Runs `work` within a session of the URI's token; once more in a new one if the session was lost.
  template <class T, class Work>
  Result<T> entered(const Pkcs11Uri& uri, Work work) {
    for (int attempt = 1;; ++attempt) {
      lost_ = false;
      Status in = enter(uri);
      if (in) {
        auto done = work();
        if (done || !lost_ || attempt == 2) return done;
      } else if (!lost_ || attempt == 2) {
        return std::unexpected(std::move(in).error());
      }
      leave();
    }
  }

  template <class T, class Work>
  Result<T> with_key(const KeptKey& key, CK_OBJECT_CLASS kind, Work work) {
    const std::lock_guard lock(mutex_);
    auto uri = TRY(Pkcs11Uri::parse(key.place()));
    auto id = from_hex(key.version);
    if (!id) return fail(Errc::corrupt, "the reference names no id of the key");
    if (!id->empty()) uri.id = std::move(*id);
    return entered<T>(uri, [&]() -> Result<T> { return work(TRY(object_of(uri, kind))); });
  }

  Status enter(const Pkcs11Uri& uri) {
    const auto& path = options_.module.empty() ? uri.module_path : options_.module;
    if (path.empty()) return fail(Errc::invalid, "which module? Set pkcs11.module to the path of its library");
    if (!uri.module_path.empty() && uri.module_path != path)
      return fail(Errc::invalid, "module-path is another one than pkcs11.module");
    const auto token = uri.token + "\n" + uri.serial;
    if (functions_ != nullptr && token == token_ && process_ == ::getpid()) return {};
    leave();
    if (pin_refused_) return refusal("log in", CKR_PIN_INCORRECT);
    module_ = TRY(Pkcs11Module::load(path));
    auto* functions = TRY(module_->functions());
    const auto slot = TRY(slot_of(functions, uri));
    CK_SESSION_HANDLE session = 0;
    CHECK(checked("open a session", functions->C_OpenSession(slot, CKF_SERIAL_SESSION, nullptr, nullptr, &session)));
    functions_ = functions;
    session_ = session;
    token_ = token;
    process_ = ::getpid();
    if (auto in = log_in(); !in) {
      leave();
      return in;
    }
    return {};
  }

  Status log_in() {
    if (!options_.pin)
      return fail(Errc::unauthenticated, "there is no PIN for the module: set pkcs11.pin to where it is");
    const auto pin = TRY(hauberk::resolve(*options_.pin));
    const auto raw = ServiceSecret::bytes(pin);
    const auto answer = functions_->C_Login(session_, CKU_USER, mutable_bytes(raw), raw.size());
    if (answer == CKR_USER_ALREADY_LOGGED_IN) return {};
    pin_refused_ = answer == CKR_PIN_INCORRECT || answer == CKR_PIN_INVALID || answer == CKR_PIN_LEN_RANGE;
    return checked("log in", answer);
  }

  void leave() {
    if (functions_ != nullptr && process_ == ::getpid()) (void)functions_->C_CloseSession(session_);
    functions_ = nullptr;
  }

  Result<CK_SLOT_ID> slot_of(CK_FUNCTION_LIST* functions, const Pkcs11Uri& uri) {
    CK_ULONG count = 0;
    CHECK(checked("list its tokens", functions->C_GetSlotList(CK_TRUE, nullptr, &count)));
    std::vector<CK_SLOT_ID> slots(std::min<CK_ULONG>(count, 1024));
    count = slots.size();
    CHECK(checked("list its tokens", functions->C_GetSlotList(CK_TRUE, slots.data(), &count)));
    slots.resize(std::min<std::size_t>(count, slots.size()));
    std::vector<CK_SLOT_ID> fitting;
    for (const auto slot : slots) {
      CK_TOKEN_INFO info{};
      if (functions->C_GetTokenInfo(slot, &info) != CKR_OK) continue;
      if ((uri.token.empty() || trimmed({info.label, sizeof info.label}) == uri.token) &&
          (uri.serial.empty() || trimmed({info.serialNumber, sizeof info.serialNumber}) == uri.serial))
        fitting.push_back(slot);
    }
    if (fitting.empty()) return fail(Errc::not_found, "the module has no such token");
    if (fitting.size() > 1) return fail(Errc::invalid, "the module has more than one such token: name its serial");
    return fitting.front();
  }

  // The one object of its kind with these names.
  Result<CK_OBJECT_HANDLE> object_of(const Pkcs11Uri& uri, CK_OBJECT_CLASS kind) {
    std::vector<CK_ATTRIBUTE> wanted{{CKA_CLASS, &kind, sizeof kind}};
    if (!uri.object.empty()) wanted.push_back({CKA_LABEL, mutable_bytes(as_bytes(uri.object)), uri.object.size()});
    if (!uri.id.empty()) wanted.push_back({CKA_ID, mutable_bytes(uri.id), uri.id.size()});
    CHECK(checked("look for the key", functions_->C_FindObjectsInit(session_, wanted.data(), wanted.size())));
    CK_OBJECT_HANDLE found[2] = {};
    CK_ULONG count = 0;
    const auto answer = functions_->C_FindObjects(session_, found, 2, &count);
    (void)functions_->C_FindObjectsFinal(session_);
    CHECK(checked("look for the key", answer));
    if (count == 0) return fail(Errc::not_found, "the token has no such object");
    if (count > 1) return fail(Errc::invalid, "the token has more than one such object: name its id, as in id=%01");
    return found[0];
  }

  Result<Bytes> value_of(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    CK_ATTRIBUTE attribute{type, nullptr, 0};
    CHECK(checked("show the key", functions_->C_GetAttributeValue(session_, object, &attribute, 1)));
    if (attribute.ulValueLen > longest_value) return fail(Errc::corrupt, "the module shows a key of no known form");
    Bytes out(attribute.ulValueLen);
    attribute.pValue = out.data();
    CHECK(checked("show the key", functions_->C_GetAttributeValue(session_, object, &attribute, 1)));
    out.resize(std::min<std::size_t>(attribute.ulValueLen, out.size()));
    return out;
  }
  Result<CK_ULONG> number_of(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type) {
    CK_ULONG out = 0;
    CK_ATTRIBUTE attribute{type, &out, sizeof out};
    CHECK(checked("show the key", functions_->C_GetAttributeValue(session_, object, &attribute, 1)));
    return out;
  }

  Result<KeptKey> look_up(const Pkcs11Uri& uri, KeyUse use, KeptKey out) {
    const auto object = TRY(object_of(uri, use == KeyUse::sign ? CKO_PRIVATE_KEY : CKO_SECRET_KEY));
    const auto type = TRY(number_of(object, CKA_KEY_TYPE));
    const auto id = TRY(value_of(object, CKA_ID));
    out.version = hex(id);
    if (use == KeyUse::wrap) {
      if (type != CKK_AES || TRY(number_of(object, CKA_VALUE_LEN)) != 32)
        return fail(Errc::unsupported, "it is no AES key of 256 bits");
      return out;
    }
    if (type != CKK_EC && type != CKK_EC_EDWARDS)
      return fail(Errc::unsupported, "it is no key pair of P-256 or Ed25519");
    auto shown = uri;
    if (!id.empty()) shown.id = id;
    auto half = object_of(shown, CKO_PUBLIC_KEY);
    if (!half && half.error().code == Errc::not_found)
      return fail(Errc::not_found, "the token has the private key, but no public key of the same names beside it");
    const auto open = TRY(std::move(half));
    if (type == CKK_EC) {
      if (const auto curve = TRY(value_of(open, CKA_EC_PARAMS)); !std::ranges::equal(curve, p256_oid))
        return fail(Errc::unsupported, "it is a key pair of another curve than P-256");
    }
    out.verifying = std::make_shared<const crypto::VerifyingKey>(
        TRY(key_of_point(type == CKK_EC ? SignatureAlgorithm::ecdsa_p256 : SignatureAlgorithm::ed25519,
                         TRY(value_of(open, CKA_EC_POINT)))));
    return out;
  }

  const Pkcs11Options options_;
  Random& random_;
  std::mutex mutex_;
  std::shared_ptr<Pkcs11Module> module_;
  CK_FUNCTION_LIST* functions_ = nullptr;  // null: no session
  CK_SESSION_HANDLE session_ = 0;
  std::string token_;  // of the session
  int process_ = 0;    // that opened it
  bool lost_ = false;
  bool pin_refused_ = false;
};

class Pkcs11Secrets final : public SecretSource {
 public:
  Pkcs11Secrets(Pkcs11Options options, Random& random) : keys_(std::move(options), random) {}
  Result<Secret> fetch(std::string_view place) override { return keys_.data(place); }

 private:
  Pkcs11Keys keys_;
};

}  // namespace

std::unique_ptr<SecretSource> make_secrets_pkcs11(Pkcs11Options options, Random& random) {
  return std::make_unique<Pkcs11Secrets>(std::move(options), random);
}

std::shared_ptr<crypto::KeyKeeper> make_keys_pkcs11(Pkcs11Options options, Random& random) {
  return std::make_shared<Pkcs11Keys>(std::move(options), random);
}

}  // namespace hauberk::adapters
