#include "clip_hpc/model/clip_model.hpp"
#include "tests/gpu_test.hpp"
#include "tests/ops/fused_ops_cases.hpp"

namespace clip_hpc {
namespace {

TEST(FusedOpsGpu, BiasGeluIsTheReference) {
  CLIP_HPC_NEEDS_DEVICE();
  check_bias_gelu(at::kCUDA);
}

TEST(FusedOpsGpu, AddLayerNormIsTheReference) {
  CLIP_HPC_NEEDS_DEVICE();
  check_add_layer_norm_everywhere(at::kCUDA);
  check_add_layer_norm(at::kCUDA, 8192, at::kBFloat16);
  check_add_layer_norm(at::kCUDA, 8193, at::kFloat);  // wider than the kernel: the reference
}

TEST(FusedOpsGpu, BitsAreThoseOfTheSeparateOperators) {
  CLIP_HPC_NEEDS_DEVICE();
  check_bits_of_the_separate_operators(at::kCUDA);
}

TEST(FusedOpsGpu, InputsMayLieScatteredAndOutputsBeUnused) {
  CLIP_HPC_NEEDS_DEVICE();
  check_inputs_that_lie_scattered(at::kCUDA);
  check_one_output_unused(at::kCUDA);
}

TEST(FusedOpsGpu, TwoRunsGiveTheSameBits) {
  CLIP_HPC_NEEDS_DEVICE();
  const NormOutcome first = apply_add_layer_norm(norm_inputs(768, at::kBFloat16, at::kCUDA));
  const NormOutcome second = apply_add_layer_norm(norm_inputs(768, at::kBFloat16, at::kCUDA));
  for (std::size_t i = 0; i < first.grads.size(); ++i) EXPECT_TRUE(at::equal(first.grads[i], second.grads[i])) << i;
}

TEST(FusedOpsGpu, PixelsAreThoseOfTheCpu) {
  CLIP_HPC_NEEDS_DEVICE();
  for (const auto& [height, width] : {std::pair{7, 9}, {64, 64}}) {
    const at::Tensor bytes =
        at::arange(5 * 3 * height * width).mul(37).remainder(256).to(at::kByte).view({5, 3, height, width});
    for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
      EXPECT_TRUE(close(normalise_pixels(bytes.to(at::kCUDA), PixelNorm{}, type).cpu(),
                        normalise_pixels(bytes, PixelNorm{}, at::kFloat), type == at::kFloat ? 1e-5 : 1.0 / 256));
    }
  }
}

}  // namespace
}  // namespace clip_hpc
