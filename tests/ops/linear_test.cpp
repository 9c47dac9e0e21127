#include "clip_hpc/ops/linear.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "ops/sgemm.hpp"
#include "tests/ops/fused_ops_cases.hpp"

namespace clip_hpc {
namespace {

struct LinearOutcome {
  at::Tensor y;
  std::vector<at::Tensor> grads;
};
using LinearOp = at::Tensor (*)(const at::Tensor&, const at::Tensor&, const at::Tensor&);

LinearOutcome apply_linear(LinearOp op, at::ScalarType type, bool with_bias, at::IntArrayRef sizes, std::int64_t out) {
  const at::Tensor x = pattern(sizes, 0.7, 1.0, 0.1, type, at::kCPU).requires_grad_();
  const at::Tensor weight = pattern({out, sizes.back()}, 0.3, 0.5, 0.0, type, at::kCPU).requires_grad_();
  const at::Tensor bias = pattern({out}, 1.1, 2.0, 0.0, type, at::kCPU).requires_grad_();
  const at::Tensor y = op(x, weight, with_bias ? bias : at::Tensor());
  const at::Tensor pull = pattern(y.sizes(), 0.37, 1.0, 0.0, type, at::kCPU);
  return {y, with_bias ? torch::autograd::grad({y}, {x, weight, bias}, {pull})
                       : torch::autograd::grad({y}, {x, weight}, {pull})};
}

TEST(LinearLayer, ValueAndGradientsAreTheReferencesInDoublePrecision) {
  for (const bool with_bias : {false, true}) {
    for (const auto& [rows, in, out] : {std::tuple{301, 37, 64}, {1, 64, 5}, {129, 192, 576}}) {
      const LinearOutcome expected = apply_linear(linear_layer_reference, at::kDouble, with_bias, {rows, in}, out);
      const LinearOutcome found = apply_linear(linear_layer, at::kFloat, with_bias, {rows, in}, out);
      EXPECT_TRUE(close(found.y, expected.y, 1e-5)) << rows;
      for (std::size_t i = 0; i < expected.grads.size(); ++i) {
        EXPECT_TRUE(close(found.grads[i], expected.grads[i], 2e-5)) << rows << ", gradient " << i;
      }
    }
  }
}

TEST(LinearLayer, KeepsTheShapeBeforeTheLastDimension) {
  const LinearOutcome found = apply_linear(linear_layer, at::kFloat, true, {3, 5, 8}, 6);
  EXPECT_EQ(found.y.sizes(), (at::IntArrayRef{3, 5, 6}));
  EXPECT_EQ(found.grads[0].sizes(), (at::IntArrayRef{3, 5, 8}));
}

TEST(LinearLayer, InputsMayLieScattered) {
  const at::Tensor x = pattern({40, 7, 3}, 0.7, 1.0, 0.0, at::kFloat, at::kCPU).transpose(0, 2);  // [3, 7, 40]
  const at::Tensor weight = pattern({40, 9}, 0.3, 1.0, 0.0, at::kFloat, at::kCPU).t();            // [9, 40]
  EXPECT_TRUE(close(linear_layer(x, weight), linear_layer_reference(x.to(at::kDouble), weight.to(at::kDouble)), 1e-5));
}

// One token of each sequence: its rows are a view with gaps between them.
TEST(LinearLayer, RowsMayHaveGapsBetweenThem) {
  const at::Tensor x = pattern({6, 5, 40}, 0.7, 1.0, 0.0, at::kFloat, at::kCPU).slice(1, 0, 1);  // [6, 1, 40]
  const at::Tensor weight = pattern({9, 40}, 0.3, 1.0, 0.0, at::kFloat, at::kCPU);
  EXPECT_TRUE(close(linear_layer(x, weight), linear_layer_reference(x.to(at::kDouble), weight.to(at::kDouble)), 1e-5));
}

TEST(LinearLayer, WhatNeedsNoGradientGetsNone) {
  const at::Tensor x = at::ones({4, 3});
  const at::Tensor weight = at::ones({2, 3}).requires_grad_();
  linear_layer(x, weight).sum().backward();
  EXPECT_TRUE(at::equal(weight.grad(), at::full({2, 3}, 4.0F)));
  EXPECT_FALSE(x.grad().defined());
}

// Sums run over the same terms in the same order: threads share rows, not sums.
TEST(LinearLayer, BitsDoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const LinearOutcome one = apply_linear(linear_layer, at::kFloat, true, {512, 192}, 192);
  at::set_num_threads(2);
  const LinearOutcome two = apply_linear(linear_layer, at::kFloat, true, {512, 192}, 192);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.y, two.y));
  for (std::size_t i = 0; i < one.grads.size(); ++i) EXPECT_TRUE(at::equal(one.grads[i], two.grads[i])) << i;
}

TEST(Sgemm, TransposedFactorsAndStrides) {
  if (!has_sgemm()) GTEST_SKIP() << "libdnnl is not installed";
  const std::vector<float> a{1, 2, 9, 3, 4, 9};      // [2, 2] with stride 3
  const std::vector<float> b{5, 7, 6, 8};            // the transpose of [[5, 6], [7, 8]]
  std::vector<float> c{100, 100, -1, 100, 100, -1};  // [2, 2] with stride 3
  sgemm(2, 2, 2, 2, {a.data(), 3}, {b.data(), 2, true}, 1, c.data(), 3);
  EXPECT_EQ(c, (std::vector<float>{138, 144, -1, 186, 200, -1}));
}

}  // namespace
}  // namespace clip_hpc
