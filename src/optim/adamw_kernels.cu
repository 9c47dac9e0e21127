#include <c10/util/BFloat16.h>

#include <cstdint>

#include "clip_hpc/device/cuda_launch.hpp"
#include "optim/adamw_launch.hpp"

namespace clip_hpc {
namespace {

constexpr int kThreads = 256;
constexpr int kElements = 4;  // of a thread, side by side
constexpr int kTurns = 4;
constexpr std::int64_t kChunk = static_cast<std::int64_t>(kThreads) * kElements * kTurns;  // of a block

__global__ void begin_kernel(AdamWScalars scalars, AdamWRates rates, AdamWUpdate* update) {
  const double norm = *scalars.norm;
  if (!is_finite(norm)) {
    update->apply = false;
    return;
  }
  *update = adamw_update(norm, *scalars.lr, *scalars.applied, rates);
}

template <class T>
struct alignas(sizeof(T) * kElements) Four {
  T v[kElements];
};
template <bool kFull, class T>
__device__ __forceinline__ Four<T> load(const T* p, std::int64_t left) {
  if constexpr (kFull) {
    return *reinterpret_cast<const Four<T>*>(p);
  } else {
    Four<T> four{};
    for (int k = 0; k < kElements && k < left; ++k) four.v[k] = p[k];
    return four;
  }
}
template <bool kFull, class T>
__device__ __forceinline__ void store(T* p, const Four<T>& four, std::int64_t left) {
  if constexpr (kFull) {
    *reinterpret_cast<Four<T>*>(p) = four;
  } else {
    for (int k = 0; k < kElements && k < left; ++k) p[k] = four.v[k];
  }
}

// i: of the first element in the arrays; at: in the arena. `range` moves on to the one that holds the last element.
template <bool kFull, class W>
__device__ __forceinline__ void update_four(const AdamWArrays<W>& arrays, std::int64_t i, std::int64_t at,
                                            std::int64_t left, const std::int64_t* ranges, std::int64_t& range,
                                            const AdamWUpdate& u) {
  Four<float> x = load<kFull>(arrays.master + i, left), m = load<kFull>(arrays.m + i, left),
              v = load<kFull>(arrays.v + i, left);
  const Four<W> g = load<kFull>(arrays.gradients + i, left);
  Four<W> w{};
#pragma unroll
  for (int k = 0; k < kElements; ++k) {
    if (k >= left) break;
    while (at + k >= ranges[2 * range]) ++range;
    const std::int64_t kind = range_kind(ranges[2 * range + 1]);
    const AdamWUpdate here = scaled(u, range_lr_scale(ranges[2 * range + 1]));
    const float shrink = kind == kDecayedRange ? here.shrink : 1.0F;
    if (kind != kRangeLeftAlone) {
      x.v[k] = adamw_element(x.v[k], static_cast<float>(g.v[k]), m.v[k], v.v[k], shrink, here);
    }
    w.v[k] = static_cast<W>(x.v[k]);
  }
  store<kFull>(arrays.master + i, x, left);
  store<kFull>(arrays.m + i, m, left);
  store<kFull>(arrays.v + i, v, left);
  if (static_cast<const void*>(arrays.weights) != static_cast<const void*>(arrays.master)) {
    store<kFull>(arrays.weights + i, w, left);
  }
}

template <bool kAligned, class W>
__global__ void __launch_bounds__(kThreads)
    update_kernel(AdamWArrays<W> arrays, std::int64_t n, std::int64_t first, const std::int64_t* ranges,
                  std::int64_t range_count, const AdamWUpdate* update) {
  const AdamWUpdate u = *update;
  if (!u.apply) return;
  // The range of the thread's first element: the first whose end lies behind it.
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * kChunk + threadIdx.x * kElements;
  std::int64_t range = 0;
  for (std::int64_t above = range_count; range < above;) {
    const std::int64_t middle = (range + above) / 2;
    if (ranges[2 * middle] > first + begin) {
      above = middle;
    } else {
      range = middle + 1;
    }
  }
#pragma unroll
  for (int turn = 0; turn < kTurns; ++turn) {
    const std::int64_t i = begin + static_cast<std::int64_t>(turn) * kThreads * kElements;
    const std::int64_t left = n - i;
    if (left <= 0) return;
    if (kAligned && left >= kElements) {
      update_four<true>(arrays, i, first + i, kElements, ranges, range, u);
    } else {
      update_four<false>(arrays, i, first + i, left, ranges, range, u);
    }
  }
}

template <class T>
bool aligned(const T* p) {
  return reinterpret_cast<std::uintptr_t>(p) % (sizeof(T) * kElements) == 0;
}

}  // namespace

void launch_adamw_begin(const AdamWScalars& scalars, const AdamWRates& rates, AdamWUpdate* update, void* stream) {
  launch(begin_kernel, dim3(1), dim3(1), stream, scalars, rates, update);
}

template <class W>
void launch_adamw_update(const AdamWArrays<W>& arrays, std::int64_t n, std::int64_t first, const std::int64_t* ranges,
                         std::int64_t range_count, const AdamWUpdate* update, void* stream) {
  if (n == 0) return;
  const bool all = aligned(arrays.master) && aligned(arrays.weights) && aligned(arrays.gradients) &&
                   aligned(arrays.m) && aligned(arrays.v);
  const dim3 grid(static_cast<unsigned>((n + kChunk - 1) / kChunk));
  launch(all ? update_kernel<true, W> : update_kernel<false, W>, grid, dim3(kThreads), stream, arrays, n, first, ranges,
         range_count, update);
}

template void launch_adamw_update(const AdamWArrays<float>&, std::int64_t, std::int64_t, const std::int64_t*,
                                  std::int64_t, const AdamWUpdate*, void*);
template void launch_adamw_update(const AdamWArrays<c10::BFloat16>&, std::int64_t, std::int64_t, const std::int64_t*,
                                  std::int64_t, const AdamWUpdate*, void*);

}  // namespace clip_hpc
