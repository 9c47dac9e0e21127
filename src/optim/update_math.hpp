// What optimizers compute alike, on the host and on the device.
#pragma once

#include <cstdint>

#include "clip_hpc/base/host_device.hpp"

namespace clip_hpc {

// What an update does to the elements of a range of the arena.
enum RangeKind : std::int64_t { kPlainRange = 0, kDecayedRange = 1, kRangeLeftAlone = 2 };

// A range's kind and what its learning rate is multiplied with, in one number of a table that a kernel reads.
CLIP_HPC_HOST_DEVICE std::int64_t packed_range(std::int64_t kind, float lr_scale) {
  return kind | static_cast<std::int64_t>(__builtin_bit_cast(std::uint32_t, lr_scale)) << 32;
}
CLIP_HPC_HOST_DEVICE std::int64_t range_kind(std::int64_t packed) { return packed & 0xFF; }
CLIP_HPC_HOST_DEVICE float range_lr_scale(std::int64_t packed) {
  return __builtin_bit_cast(float, static_cast<std::uint32_t>(packed >> 32));
}

CLIP_HPC_HOST_DEVICE bool is_finite(double x) { return x - x == 0.0; }

// What a gradient of this norm is multiplied with; clip_norm 0: no clipping. (torch's clip_grad_norm_.)
CLIP_HPC_HOST_DEVICE double clip_factor(double norm, double clip_norm) {
  return clip_norm > 0 && norm > clip_norm ? clip_norm / (norm + 1e-6) : 1.0;
}

}  // namespace clip_hpc
