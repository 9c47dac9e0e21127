#include "clip_hpc/model/fused_ops.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

namespace clip_hpc {
namespace {

struct Outcome {
  at::Tensor y, by_x, by_bias;
};

using Op = at::Tensor (*)(const at::Tensor&, const at::Tensor&, bool);

// 301 rows of 37: nothing divides by a vector, and u = x + bias runs from -14 to 14.
Outcome apply(Op op, at::ScalarType type, bool quick) {
  const at::Tensor x = at::linspace(-12, 12, 301 * 37, at::kDouble).view({7, 43, 37}).to(type).requires_grad_();
  const at::Tensor bias = at::linspace(-2, 2, 37, at::kDouble).to(type).requires_grad_();
  const at::Tensor y = op(x, bias, quick);
  const at::Tensor pull = at::arange(x.numel(), at::kDouble).mul(0.37).cos().view_as(x).to(type);
  const auto grads = torch::autograd::grad({y}, {x, bias}, {pull});
  return {y.detach().to(at::kDouble), grads[0].to(at::kDouble), grads[1].to(at::kDouble)};
}

double difference(const at::Tensor& a, const at::Tensor& b) { return (a - b).abs().max().item<double>(); }

TEST(BiasGelu, ValueAndGradientsAreTheReferencesInDoublePrecision) {
  for (const bool quick : {false, true}) {
    const Outcome expected = apply(bias_gelu_reference, at::kDouble, quick);
    const Outcome found = apply(bias_gelu, at::kFloat, quick);
    EXPECT_LT(difference(found.y, expected.y), 3e-6) << quick;
    EXPECT_LT(difference(found.by_x, expected.by_x), 2e-6) << quick;
    EXPECT_LT(difference(found.by_bias, expected.by_bias), 2e-5) << quick;
    // Where the reference's own arithmetic is bf16 it is the further one from the truth.
    const at::Tensor x = at::linspace(-6, 6, 4000, at::kDouble).view({40, 100}).to(at::kBFloat16);
    const at::Tensor bias = at::zeros({100}, at::kBFloat16);
    const at::Tensor truth = bias_gelu_reference(x.to(at::kDouble), bias.to(at::kDouble), quick);
    EXPECT_TRUE(at::allclose(bias_gelu(x, bias, quick).to(at::kDouble), truth, 0.005, 1e-6)) << quick;
    const Outcome low = apply(bias_gelu, at::kBFloat16, quick);
    const Outcome low_expected = apply(bias_gelu_reference, at::kBFloat16, quick);
    EXPECT_LT(difference(low.by_x, low_expected.by_x), 0.03) << quick;
    EXPECT_LT(difference(low.by_bias, low_expected.by_bias), 0.3) << quick;
  }
}

TEST(BiasGelu, ExtremeValuesStayFinite) {
  const at::Tensor x = at::tensor({-1e30F, -200.0F, -20.0F, 0.0F, 20.0F, 200.0F, 1e30F}).view({1, 7}).requires_grad_();
  for (const bool quick : {false, true}) {
    const at::Tensor y = bias_gelu(x, at::zeros({7}), quick);
    const at::Tensor by_x = torch::autograd::grad({y.slice(1, 1, 6).sum()}, {x})[0];
    EXPECT_TRUE(at::allclose(y.slice(1, 1, 6), at::tensor({0.0F, 0.0F, 0.0F, 20.0F, 200.0F}).view({1, 5}), 0, 1e-6));
    EXPECT_TRUE(at::isfinite(by_x.slice(1, 1, 6)).all().item<bool>());
    EXPECT_FALSE(at::isnan(y).any().item<bool>());
  }
}

TEST(BiasGelu, BitsDoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Outcome one = apply(bias_gelu, at::kFloat, false);
  at::set_num_threads(3);
  const Outcome three = apply(bias_gelu, at::kFloat, false);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.y, three.y) && at::equal(one.by_x, three.by_x) && at::equal(one.by_bias, three.by_bias));
}

TEST(BiasGelu, WhatHasNoFusedBodyTakesTheReference) {
  const at::Tensor x = at::linspace(-2, 2, 24, at::kDouble).view({4, 6});
  EXPECT_TRUE(at::equal(bias_gelu(x, at::ones({6}, at::kDouble), false),
                        bias_gelu_reference(x, at::ones({6}, at::kDouble), false)));
}

}  // namespace
}  // namespace clip_hpc
