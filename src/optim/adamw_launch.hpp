// AdamW on the device over raw pointers: norm, learning rate and counter stay in device memory, and whether the step is
// applied is decided there. Everything is queued on `stream` and nothing waits for it.
#pragma once

#include <cstdint>

#include "optim/adamw_math.hpp"

namespace clip_hpc {

struct AdamWScalars {  // all on the device
  const double* norm;
  const double* lr;
  const std::int64_t* applied;
};

// Decides whether the step is applied, and writes what the elements need to *update (device memory).
void launch_adamw_begin(const AdamWScalars& scalars, const AdamWRates& rates, AdamWUpdate* update, void* stream);

template <class W>
struct AdamWArrays {  // n elements each, on the device
  float* master;
  W* weights;  // the compute type; the same memory as master for fp32
  const W* gradients;
  float *m, *v;
};

// Elements [first, first + n) of the arena; the arrays begin at `first`. ranges [range_count, 2] on the device: the end
// of each range of the arena, and its packed_range.
template <class W>
void launch_adamw_update(const AdamWArrays<W>& arrays, std::int64_t n, std::int64_t first, const std::int64_t* ranges,
                         std::int64_t range_count, const AdamWUpdate* update, void* stream);

}  // namespace clip_hpc
