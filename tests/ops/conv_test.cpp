#include "clip_hpc/ops/conv.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <vector>

#include "clip_hpc/ops/fused_ops.hpp"
#include "ops/depthwise_cpu.hpp"

namespace clip_hpc {
namespace {

// Values and gradients in both precisions against a sum over shifted images.
TEST(ConvChannelsLast, DepthwiseEqualsItsDefinition) {
  at::manual_seed(1);
  for (const at::ScalarType type : {at::kDouble, at::kFloat}) {
    const at::Tensor x = at::randn({2, 9, 8, 5}, type).requires_grad_();
    const at::Tensor weight = at::randn({5, 1, 7, 7}, type).requires_grad_();
    const at::Tensor bias = at::randn({5}, type).requires_grad_();
    const at::Tensor out = conv_channels_last(x, weight, bias, {.padding = 3, .groups = 5});
    EXPECT_TRUE(out.is_contiguous());
    const at::Tensor padded = at::constant_pad_nd(x, {0, 0, 3, 3, 3, 3});
    at::Tensor expected = bias.expand({2, 9, 8, 5});
    for (std::int64_t dy = 0; dy < 7; ++dy) {
      for (std::int64_t dx = 0; dx < 7; ++dx) {
        expected = expected +
                   padded.slice(1, dy, dy + 9).slice(2, dx, dx + 8) * weight.select(3, dx).select(2, dy).select(1, 0);
      }
    }
    const double limit = type == at::kDouble ? 1e-12 : 1e-4;
    EXPECT_LT((out - expected).abs().max().item<double>(), limit);
    const at::Tensor pull = at::randn(out.sizes(), type);
    const auto by = [&](const at::Tensor& y) {
      for (const at::Tensor& leaf : {x, weight, bias}) leaf.mutable_grad() = at::Tensor();
      (y * pull).sum().backward();
      return std::vector<at::Tensor>{x.grad().clone(), weight.grad().clone(), bias.grad().clone()};
    };
    const std::vector<at::Tensor> ours = by(out), theirs = by(expected);
    for (std::size_t i = 0; i < ours.size(); ++i) {
      EXPECT_LT((ours[i] - theirs[i]).abs().max().item<double>(), 10 * limit) << i;
    }
  }
}

// Channels that fill no block, one, and several; rows that end within a run of places.
TEST(ConvChannelsLast, DepthwiseOfAnyWidthEqualsLibTorchs) {
  at::manual_seed(3);
  for (const std::int64_t channels : {1, 7, 8, 40, 75}) {
    for (const std::int64_t kernel : {3, 5, 7, 9}) {
      for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
        const ConvShape shape{.padding = kernel / 2, .groups = channels};
        const auto leaf = [&](at::IntArrayRef sizes) { return at::randn(sizes).to(type).requires_grad_(); };
        const at::Tensor x = leaf({3, 6, 5, channels}), weight = leaf({channels, 1, kernel, kernel}),
                         bias = leaf({channels});
        const at::Tensor pull = at::randn(x.sizes()).to(type);
        const auto outcome = [&](const at::Tensor& y, const at::Tensor& of_y) {
          for (const at::Tensor& one : {x, weight, bias}) one.mutable_grad() = at::Tensor();
          (y * of_y).sum().backward();
          std::vector<at::Tensor> all{y.detach()};
          for (const at::Tensor& one : {x, weight, bias}) all.push_back(one.grad().clone());
          return all;
        };
        const auto found = outcome(conv_channels_last(x, weight, bias, shape), pull);
        const auto truth =
            outcome(conv_reference(x.to(at::kDouble), weight.to(at::kDouble), bias.to(at::kDouble), shape),
                    pull.to(at::kDouble));
        for (std::size_t i = 0; i < found.size(); ++i) {
          const double largest = truth[i].to(at::kDouble).abs().max().item<double>();
          const double off = (found[i].to(at::kDouble) - truth[i].to(at::kDouble)).abs().max().item<double>();
          EXPECT_LT(off, (type == at::kFloat ? 2e-6 : 1.0 / 128) * largest) << channels << " " << kernel << " " << i;
        }
      }
    }
  }
}

// Where LibTorch has no code for a processor, ours does the whole of it.
TEST(ConvChannelsLast, OurForwardEqualsTheLibrarys) {
  at::manual_seed(6);
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const at::Tensor x = at::randn({2, 6, 5, 40}).to(type), weight = at::randn({40, 1, 7, 7}).to(type),
                     bias = at::randn({40}).to(type);
    const auto near = [&](const at::Tensor& ours, const at::Tensor& theirs) {
      const double off = (ours - theirs).abs().max().item<double>();
      return off < (type == at::kFloat ? 2e-6 : 1.0 / 64) * theirs.abs().max().item<double>();
    };
    EXPECT_TRUE(near(depthwise_cpu(x, weight, bias, false), depthwise_cpu(x, weight, bias, true)));
    EXPECT_TRUE(near(depthwise_by_input_cpu(x, weight, false), depthwise_by_input_cpu(x, weight, true)));
  }
}

TEST(ConvChannelsLast, BitsDoNotDependOnTheNumberOfThreads) {
  at::manual_seed(4);
  const int threads = at::get_num_threads();
  const at::Tensor x = at::randn({5, 8, 8, 24}).requires_grad_(), weight = at::randn({24, 1, 7, 7}).requires_grad_();
  const at::Tensor bias = at::randn({24}).requires_grad_(), pull = at::randn(x.sizes());
  std::vector<std::vector<at::Tensor>> all;
  for (const int n : {1, 3}) {
    at::set_num_threads(n);
    for (const at::Tensor& one : {x, weight, bias}) one.mutable_grad() = at::Tensor();
    const at::Tensor y = conv_channels_last(x, weight, bias, {.padding = 3, .groups = 24});
    (y * pull).sum().backward();
    all.push_back({y.detach(), x.grad().clone(), weight.grad().clone(), bias.grad().clone()});
  }
  at::set_num_threads(threads);
  for (std::size_t i = 0; i < all[0].size(); ++i) EXPECT_TRUE(at::equal(all[0][i], all[1][i])) << i;
}

TEST(ConvChannelsLast, StridesCutIntoPatches) {
  at::manual_seed(2);
  const at::Tensor x = at::randn({2, 8, 12, 3}), weight = at::randn({6, 3, 4, 4});
  const at::Tensor out = conv_channels_last(x, weight, {}, {.stride = 4});
  ASSERT_EQ(out.sizes(), (at::IntArrayRef{2, 2, 3, 6}));
  const at::Tensor patch = x.slice(0, 1, 2).slice(1, 4, 8).slice(2, 8, 12);  // [1, 4, 4, 3]
  const at::Tensor expected = (patch.permute({0, 3, 1, 2}) * weight).sum({1, 2, 3});
  EXPECT_LT((out[1][1][2] - expected).abs().max().item<double>(), 1e-4);
}

TEST(LayerNormOfAnyEps, EqualsItsDefinition) {
  const at::Tensor x = at::linspace(-1, 1, 2 * 3 * 8, at::kDouble).mul(1e-3).sin().view({2, 3, 8});
  const at::Tensor gamma = at::linspace(0.5, 1.5, 8, at::kDouble), beta = at::linspace(-1, 1, 8, at::kDouble);
  const at::Tensor centred = x - x.mean(-1, true);
  const at::Tensor expected = centred / (centred.square().mean(-1, true) + 1e-6).sqrt() * gamma + beta;
  EXPECT_LT((layer_norm(x, gamma, beta, 1e-6) - expected).abs().max().item<double>(), 1e-12);
}

}  // namespace
}  // namespace clip_hpc
