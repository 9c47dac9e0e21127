#include "clip_hpc/ops/fused_ops.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "tests/ops/fused_ops_cases.hpp"

namespace clip_hpc {
namespace {

TEST(BiasGelu, ValueAndGradientsAreTheReferencesInDoublePrecision) { check_bias_gelu(at::kCPU); }

TEST(BiasGelu, ExtremeValuesStayFinite) {
  const at::Tensor x = at::tensor({-1e30F, -200.0F, -20.0F, 0.0F, 20.0F, 200.0F, 1e30F}).view({1, 7}).requires_grad_();
  for (const Gelu kind : {Gelu::exact, Gelu::quick, Gelu::tanh}) {
    const at::Tensor y = bias_gelu(x, at::zeros({7}), kind);
    const at::Tensor by_x = torch::autograd::grad({y.slice(1, 1, 6).sum()}, {x})[0];
    EXPECT_TRUE(at::allclose(y.slice(1, 1, 6), at::tensor({0.0F, 0.0F, 0.0F, 20.0F, 200.0F}).view({1, 5}), 0, 1e-6));
    EXPECT_TRUE(at::isfinite(by_x.slice(1, 1, 6)).all().item<bool>());
    EXPECT_FALSE(at::isnan(y).any().item<bool>());
  }
}

TEST(FusedOps, BitsDoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const GeluOutcome one = apply_gelu(bias_gelu, at::kFloat, Gelu::exact, at::kCPU);
  const NormOutcome one_norm = apply_add_layer_norm(norm_inputs(192, at::kFloat, at::kCPU));
  at::set_num_threads(3);
  const GeluOutcome three = apply_gelu(bias_gelu, at::kFloat, Gelu::exact, at::kCPU);
  const NormOutcome three_norm = apply_add_layer_norm(norm_inputs(192, at::kFloat, at::kCPU));
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.y, three.y) && at::equal(one.by_x, three.by_x) && at::equal(one.by_bias, three.by_bias));
  EXPECT_TRUE(at::equal(one_norm.normed, three_norm.normed));
  for (std::size_t i = 0; i < one_norm.grads.size(); ++i) {
    EXPECT_TRUE(at::equal(one_norm.grads[i], three_norm.grads[i])) << i;
  }
}

TEST(FusedOps, WhatHasNoFusedBodyTakesTheReference) {
  const at::Tensor x = at::linspace(-2, 2, 24, at::kDouble).view({4, 6});
  EXPECT_TRUE(at::equal(bias_gelu(x, at::ones({6}, at::kDouble), Gelu::exact),
                        bias_gelu_reference(x, at::ones({6}, at::kDouble), Gelu::exact)));
  const NormInputs in = norm_inputs(6, at::kDouble, at::kCPU);
  check_add_layer_norm(at::kCPU, 6, at::kDouble);
  EXPECT_TRUE(at::equal(layer_norm(in.x, in.gamma, in.beta), layer_norm_reference(in.x, in.gamma, in.beta)));
  EXPECT_TRUE(at::equal(add_bias(in.x, in.delta, in.bias), in.x + (in.delta + in.bias)));
}

TEST(AddLayerNorm, ValuesAndGradientsAreTheReferencesInDoublePrecision) { check_add_layer_norm_everywhere(at::kCPU); }

TEST(AddLayerNorm, BitsAreThoseOfTheSeparateOperators) { check_bits_of_the_separate_operators(at::kCPU); }

TEST(AddLayerNorm, InputsMayLieScattered) { check_inputs_that_lie_scattered(at::kCPU); }

TEST(AddLayerNorm, OneOutputMayBeUnused) { check_one_output_unused(at::kCPU); }

TEST(LayerNorm, RowsFarFromZeroKeepTheirVariance) {  // a variance from sums of squares would be lost
  const at::Tensor x = pattern({4, 100}, 0.7, 1.0, 0.0, at::kFloat, at::kCPU) + 300.0F;
  const at::Tensor gamma = at::ones({100}), beta = at::zeros({100});
  EXPECT_TRUE(close(layer_norm(x, gamma, beta),
                    layer_norm_reference(x.to(at::kDouble), gamma.to(at::kDouble), beta.to(at::kDouble)), 1e-3));
}

}  // namespace
}  // namespace clip_hpc
