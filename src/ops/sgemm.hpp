// Single-precision products of matrices by oneDNN. LibTorch sends fp32 products to MKL, which on processors of AMD runs
// at the width of AVX2: half of what Zen 5 can, and less still where a factor is transposed. The library (libdnnl) is
// looked for when the first product is wanted; where there is none, the model leaves its products to LibTorch.
#pragma once

#include <cstdint>
#include <string>

namespace clip_hpc {

bool has_sgemm();

struct Factor {  // row-major; `transposed`: what is stored is its transpose. `stride`: elements between stored rows
  const float* data;
  std::int64_t stride;
  bool transposed = false;
};

// C = alpha A B + beta C, with A [m, k], B [k, n], C [m, n], row-major. On the calling thread alone inside a parallel
// region. Only where has_sgemm().
void sgemm(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, Factor a, Factor b, float beta, float* c,
           std::int64_t c_stride);

}  // namespace clip_hpc
