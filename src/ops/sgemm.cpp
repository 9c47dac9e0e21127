#include "ops/sgemm.hpp"

#include <dlfcn.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/ops/linear.hpp"

namespace clip_hpc {
namespace {

using Sgemm = int (*)(char, char, std::int64_t, std::int64_t, std::int64_t, float, const float*, std::int64_t,
                      const float*, std::int64_t, float, float*, std::int64_t);

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMayBindDeeply = false;  // the sanitizer forbids it
#else
constexpr bool kMayBindDeeply = true;
#endif

struct Found {
  Sgemm sgemm = nullptr;
  std::string version;
};

// LibTorch has a oneDNN of its own inside, with which this one must not share a symbol: deep binding keeps them apart.
Found look_for_library() {
  if (!kMayBindDeeply) return {};
  for (const char* name : {"libdnnl.so.3", "libdnnl.so.2"}) {
    void* const library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
    if (library == nullptr) continue;
    void* const sgemm = ::dlsym(library, "dnnl_sgemm");
    void* const version = ::dlsym(library, "dnnl_version");
    if (sgemm == nullptr || version == nullptr) continue;
    const int* const numbers = reinterpret_cast<const int* (*)()>(version)();  // of a struct: major, minor, patch, …
    return {reinterpret_cast<Sgemm>(sgemm), fmt::format("{}.{}.{}", numbers[0], numbers[1], numbers[2])};
  }
  return {};
}

const Found& found() {
  static const Found once = look_for_library();
  return once;
}

}  // namespace

bool has_sgemm() { return found().sgemm != nullptr; }
std::string onednn_version() { return found().version; }

void sgemm(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, Factor a, Factor b, float beta, float* c,
           std::int64_t c_stride) {
  const int status = found().sgemm(a.transposed ? 'T' : 'N', b.transposed ? 'T' : 'N', m, n, k, alpha, a.data, a.stride,
                                   b.data, b.stride, beta, c, c_stride);
  if (status != 0) {
    throw internal_error("oneDNN refuses a product [{}, {}] x [{}, {}] (status {})", m, k, k, n, status);
  }
}

}  // namespace clip_hpc
