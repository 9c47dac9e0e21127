// How fast the machine multiplies, right now.
#pragma once

#include <ATen/ATen.h>

namespace clip_hpc {

// A square product on this rank's threads, or its GPU, right now.
double measured_gemm_tflops(at::ScalarType type, const at::Device& device = at::kCPU);

}  // namespace clip_hpc
