// What model/ gives to the table of device kernels. Inside of libclip_hpc_cuda.so.
#pragma once

#include "clip_hpc/device/device_kernels.hpp"

namespace clip_hpc {

FusedBodies cuda_fused_bodies();
at::Tensor cuda_normalise_pixels(const at::Tensor& bytes, std::array<float, 3> scale, std::array<float, 3> shift,
                                 at::ScalarType type);

}  // namespace clip_hpc
