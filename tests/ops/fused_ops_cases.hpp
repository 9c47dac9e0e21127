// What the fused operators must do on any device: fused_ops_test.cpp asks it of the CPU, fused_ops_gpu_test.cpp of a
// GPU.
#pragma once

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

#include "clip_hpc/ops/fused_ops.hpp"

namespace clip_hpc {

inline double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kDouble) - b.to(at::kDouble)).abs().max().item<double>();
}

// |found - expected| <= share * |expected| + share * (largest |expected|) / 4 + 1e-6, everywhere.
inline ::testing::AssertionResult close(const at::Tensor& found, const at::Tensor& expected, double share) {
  const at::Tensor f = found.to(at::kDouble), e = expected.to(at::kDouble);
  const double excess = ((f - e).abs() - share * e.abs()).max().item<double>();
  const double allowed = share * e.abs().max().item<double>() / 4 + 1e-6;
  if (f.sizes() == e.sizes() && excess <= allowed) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "above " << share << " of the value by " << excess << ", allowed " << allowed;
}

// Values of a repeatable pattern between -reach and reach around `centre`, rounded to the type.
inline at::Tensor pattern(at::IntArrayRef sizes, double step, double reach, double centre, at::ScalarType type,
                          at::Device device) {
  std::int64_t n = 1;
  for (const std::int64_t extent : sizes) n *= extent;
  return (at::arange(n, at::kDouble).mul(step).sin() * reach + centre).view(sizes).to(type).to(device);
}

struct GeluOutcome {
  at::Tensor y, by_x, by_bias;
};
using GeluOp = at::Tensor (*)(const at::Tensor&, const at::Tensor&, Gelu);

// 301 rows: nothing divides by a vector of 37, and u = x + bias runs from -14 to 14.
inline GeluOutcome apply_gelu(GeluOp op, at::ScalarType type, Gelu kind, at::Device device, std::int64_t width = 37) {
  const at::Tensor x =
      at::linspace(-12, 12, 301 * width, at::kDouble).view({7, 43, width}).to(type).to(device).requires_grad_();
  const at::Tensor bias = at::linspace(-2, 2, width, at::kDouble).to(type).to(device).requires_grad_();
  const at::Tensor y = op(x, bias, kind);
  const at::Tensor pull = at::arange(x.numel(), at::kDouble).mul(0.37).cos().view_as(x).to(type).to(device);
  const auto grads = torch::autograd::grad({y}, {x, bias}, {pull});
  return {y.detach().to(at::kDouble), grads[0].to(at::kDouble), grads[1].to(at::kDouble)};
}

inline void check_bias_gelu(at::Device device) {
  for (const Gelu kind : {Gelu::exact, Gelu::quick, Gelu::tanh}) {
    SCOPED_TRACE(static_cast<int>(kind));
    for (const std::int64_t width : {37, 64}) {
      const GeluOutcome expected = apply_gelu(bias_gelu_reference, at::kDouble, kind, device, width);
      const GeluOutcome found = apply_gelu(bias_gelu, at::kFloat, kind, device, width);
      EXPECT_LT(difference(found.y, expected.y), 3e-6);
      EXPECT_LT(difference(found.by_x, expected.by_x), 2e-6);
      EXPECT_LT(difference(found.by_bias, expected.by_bias), 2e-5);
    }
    // Where the reference's own arithmetic is bf16 it is the further one from the truth.
    const at::Tensor x = at::linspace(-6, 6, 4000, at::kDouble).view({40, 100}).to(at::kBFloat16).to(device);
    const at::Tensor bias = at::zeros({100}, x.options());
    const at::Tensor truth = bias_gelu_reference(x.to(at::kDouble), bias.to(at::kDouble), kind);
    EXPECT_TRUE(at::allclose(bias_gelu(x, bias, kind).to(at::kDouble), truth, 0.005, 1e-6));
    const GeluOutcome low = apply_gelu(bias_gelu, at::kBFloat16, kind, device);
    const GeluOutcome low_expected = apply_gelu(bias_gelu_reference, at::kBFloat16, kind, device);
    EXPECT_LT(difference(low.by_x, low_expected.by_x), 0.03);
    EXPECT_LT(difference(low.by_bias, low_expected.by_bias), 0.3);
  }
}

struct NormInputs {
  at::Tensor x, delta, bias, gamma, beta;  // leaves
  at::Tensor pull_sum, pull_normed;        // gradients that come in
  std::vector<at::Tensor> leaves() const { return {x, delta, bias, gamma, beta}; }
};

inline NormInputs norm_inputs(std::int64_t width, at::ScalarType type, at::Device device) {
  const std::vector<std::int64_t> shape{3, 47, width};
  const auto leaf = [&](at::IntArrayRef sizes, double step, double reach, double centre) {
    return pattern(sizes, step, reach, centre, type, device).requires_grad_();
  };
  return {leaf(shape, 0.7310, 3.0, 0.5),
          leaf(shape, 1.3170, 1.5, 0.0),
          leaf({width}, 0.531, 0.5, 0.1),
          leaf({width}, 0.911, 0.7, 1.0),
          leaf({width}, 0.377, 0.8, -0.2),
          pattern(shape, 2.1370, 1.0, 0.1, type, device),
          pattern(shape, 0.3931, 1.0, -0.1, type, device)};
}

struct NormOutcome {
  at::Tensor sum, normed;
  std::vector<at::Tensor> grads;  // by x, delta, bias, gamma, beta
};

inline NormOutcome apply_add_layer_norm(const NormInputs& in, double eps = kNormEps) {
  const SumAndNorm out = add_layer_norm(in.x, in.delta, in.bias, in.gamma, in.beta, eps);
  return {out.sum.detach(), out.normed.detach(),
          torch::autograd::grad({out.sum, out.normed}, in.leaves(), {in.pull_sum, in.pull_normed})};
}

// The truth in double precision, from the sum as it was rounded.
inline void check_add_layer_norm(at::Device device, std::int64_t width, at::ScalarType type, double eps = kNormEps) {
  const double share = type == at::kBFloat16 ? 1.0 / 128 : 2e-5;
  const NormInputs in = norm_inputs(width, type, device);
  const NormOutcome found = apply_add_layer_norm(in, eps);
  const auto exact = [](const at::Tensor& t) { return t.detach().to(at::kDouble); };
  EXPECT_TRUE(close(found.sum, exact(in.x) + exact(in.delta) + exact(in.bias), share / 2));
  const at::Tensor s = exact(found.sum).requires_grad_(), gamma = exact(in.gamma).requires_grad_();
  const at::Tensor beta = exact(in.beta).requires_grad_(), again = s * 1.0;
  const at::Tensor normed = layer_norm_reference(again, gamma, beta, eps);
  EXPECT_TRUE(close(found.normed, normed.detach(), share / 2));
  const auto truth =
      torch::autograd::grad({again, normed}, {s, gamma, beta}, {exact(in.pull_sum), exact(in.pull_normed)});
  EXPECT_TRUE(close(found.grads[0], truth[0], share));
  EXPECT_TRUE(at::equal(found.grads[0], found.grads[1]));
  EXPECT_TRUE(close(found.grads[2], truth[0].sum(at::IntArrayRef{0, 1}), share));
  EXPECT_TRUE(close(found.grads[3], truth[1], share));
  EXPECT_TRUE(close(found.grads[4], truth[2], share));
}

inline void check_add_layer_norm_everywhere(at::Device device) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t width : {1, 5, 37, 64, 192, 770, 1024}) {
      SCOPED_TRACE(testing::Message() << type << " " << width);
      check_add_layer_norm(device, width, type);
      check_add_layer_norm(device, width, type, 0.25);
    }
  }
}

// One pass for both gives the bits of the two separate operators, forward and backward: a block that is computed again
// uses these, one that is not uses that.
inline void check_bits_of_the_separate_operators(at::Device device) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const std::int64_t width : {37, 64, 192}) {
      const NormInputs in = norm_inputs(width, type, device);
      const NormOutcome fused = apply_add_layer_norm(in);
      const at::Tensor sum = add_bias(in.x, in.delta, in.bias);
      const at::Tensor normed = layer_norm(sum, in.gamma, in.beta);
      EXPECT_TRUE(at::equal(sum, fused.sum));
      EXPECT_TRUE(at::equal(normed, fused.normed));
      const auto grads = torch::autograd::grad({sum, normed}, in.leaves(), {in.pull_sum, in.pull_normed});
      for (std::size_t i = 0; i < grads.size(); ++i) EXPECT_TRUE(at::equal(grads[i], fused.grads[i])) << type << i;
    }
  }
}

inline void check_inputs_that_lie_scattered(at::Device device) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const NormInputs in = norm_inputs(37, type, device);
    const NormOutcome expected = apply_add_layer_norm(in);
    NormInputs scattered = in;
    const auto scatter = [](const at::Tensor& t) {  // the same values, a column apart in memory
      return at::stack({t.detach(), t.detach()}, -1).select(-1, 0).requires_grad_(t.requires_grad());
    };
    for (at::Tensor* t : {&scattered.x, &scattered.delta, &scattered.bias, &scattered.gamma, &scattered.beta,
                          &scattered.pull_sum, &scattered.pull_normed}) {
      *t = scatter(*t);
    }
    EXPECT_FALSE(scattered.x.is_contiguous());
    const NormOutcome found = apply_add_layer_norm(scattered);
    EXPECT_TRUE(at::equal(found.sum, expected.sum) && at::equal(found.normed, expected.normed));
    for (std::size_t i = 0; i < found.grads.size(); ++i) EXPECT_TRUE(at::equal(found.grads[i], expected.grads[i])) << i;
  }
}

// A LayerNorm whose sum nobody else reads, and a sum whose LayerNorm nobody reads.
inline void check_one_output_unused(at::Device device) {
  const NormInputs in = norm_inputs(24, at::kFloat, device);
  const SumAndNorm out = add_layer_norm(in.x, in.delta, in.bias, in.gamma, in.beta);
  const SumAndNorm expected = add_layer_norm_reference(in.x, in.delta, in.bias, in.gamma, in.beta);
  EXPECT_TRUE(close(torch::autograd::grad({out.normed}, {in.x}, {in.pull_normed}, true)[0],
                    torch::autograd::grad({expected.normed}, {in.x}, {in.pull_normed}, true)[0], 1e-5));
  EXPECT_TRUE(close(torch::autograd::grad({out.sum}, {in.delta}, {in.pull_sum}, true)[0], in.pull_sum, 1e-6));
}

}  // namespace clip_hpc
