#include "clip_hpc/ops/pixels.hpp"

#include <ATen/Parallel.h>

#include "clip_hpc/base/vector_clones.hpp"
#include "clip_hpc/device/device_kernels.hpp"
#include "ops/fused_ops_kernels.hpp"

namespace clip_hpc {
namespace {

struct Affine {
  float scale, shift;
};

Affine affine_of(const PixelNorm& norm, std::int64_t channel) {
  const auto c = static_cast<std::size_t>(channel);
  return {static_cast<float>(1.0 / (255.0 * norm.std[c])), static_cast<float>(-norm.mean[c] / norm.std[c])};
}

CLIP_HPC_VECTOR_CLONES
void scale_bytes(const std::uint8_t* in, std::int64_t n, Affine affine, float* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = affine.shift + static_cast<float>(in[i]) * affine.scale;
}

CLIP_HPC_VECTOR_CLONES
void scale_bytes(const std::uint8_t* in, std::int64_t n, Affine affine, c10::BFloat16* out) {
  for (std::int64_t i = 0; i < n; ++i) out[i] = affine.shift + static_cast<float>(in[i]) * affine.scale;
}

}  // namespace

at::Tensor normalise_pixels(const at::Tensor& pixels, const PixelNorm& norm, at::ScalarType compute) {
  const bool fused = pixels.is_contiguous() && (compute == at::kFloat || compute == at::kBFloat16);
  const auto* const kernels = fused && pixels.is_cuda() ? device_kernels<FusedOpsKernels>() : nullptr;
  if (kernels != nullptr) {
    std::array<float, 3> scale{}, shift{};
    for (std::size_t c = 0; c < 3; ++c) {
      const Affine affine = affine_of(norm, static_cast<std::int64_t>(c));
      scale[c] = affine.scale;
      shift[c] = affine.shift;
    }
    return kernels->normalise_pixels(pixels, scale, shift, compute);
  }
  if (!fused || !pixels.is_cpu()) {
    const auto options = at::TensorOptions().dtype(at::kFloat).device(pixels.device());
    at::Tensor scale = at::empty({1, 3, 1, 1}, options);
    at::Tensor shift = at::empty({1, 3, 1, 1}, options);
    for (std::int64_t c = 0; c < 3; ++c) {
      scale.select(1, c).fill_(affine_of(norm, c).scale);
      shift.select(1, c).fill_(affine_of(norm, c).shift);
    }
    return at::addcmul(shift, pixels.to(at::kFloat), scale).to(compute);
  }
  const at::Tensor out = at::empty(pixels.sizes(), compute);
  const std::int64_t plane = pixels.size(2) * pixels.size(3);
  const std::uint8_t* in = pixels.const_data_ptr<std::uint8_t>();
  at::parallel_for(0, pixels.size(0) * 3, 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Affine affine = affine_of(norm, i % 3);
      if (compute == at::kFloat) {
        scale_bytes(in + i * plane, plane, affine, out.data_ptr<float>() + i * plane);
      } else {
        scale_bytes(in + i * plane, plane, affine, out.data_ptr<c10::BFloat16>() + i * plane);
      }
    }
  });
  return out;
}

}  // namespace clip_hpc
