// Owned: a unique_ptr for what a C library gives and takes back by a function of its own. Used in .cpp files:
// `using Context = Owned<EVP_MD_CTX, EVP_MD_CTX_free>`.
#pragma once

#include <memory>

namespace hauberk::crypto {

template <auto release>
struct Release {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
template <class T, auto release>
using Owned = std::unique_ptr<T, Release<release>>;

}  // namespace hauberk::crypto
