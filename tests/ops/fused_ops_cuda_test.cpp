// The kernels of fused_ops.cu, run on the CPU by cuda_on_host.hpp, against LibTorch's operators.
#include <gtest/gtest.h>

#include <limits>

#include "tests/cuda_on_host.hpp"
// The kernels themselves.
#include "clip_hpc/model/clip_model.hpp"
#include "ops/fused_ops.cu"
#include "tests/ops/fused_ops_cases.hpp"

namespace clip_hpc {
namespace {

// Memory of a result: NaN before, and a margin behind it that must stay NaN.
struct Room {
  explicit Room(std::vector<std::int64_t> shape, at::ScalarType type) : sizes(std::move(shape)) {
    for (const std::int64_t extent : sizes) n *= extent;
    all = at::full({n + kMargin}, std::numeric_limits<double>::quiet_NaN(), type);
  }
  at::Tensor tensor() const { return all.narrow(0, 0, n).view(sizes); }
  template <class T>
  T* data() const {
    return all.data_ptr<T>();
  }
  bool margin_untouched() const { return all.narrow(0, n, kMargin).isnan().all().item<bool>(); }
  static constexpr std::int64_t kMargin = 64;
  std::vector<std::int64_t> sizes;
  std::int64_t n = 1;
  at::Tensor all;
};

at::Tensor values(at::IntArrayRef sizes, double step, double reach, double centre, at::ScalarType type) {
  return pattern(sizes, step, reach, centre, type, at::kCPU);
}

template <class T>
constexpr at::ScalarType type_of = std::is_same_v<T, float> ? at::kFloat : at::kBFloat16;
template <class T>
constexpr double share_of = std::is_same_v<T, float> ? 2e-5 : 1.0 / 128;

// The widths: odd ones, such that fill packs of 16 bytes, more than one warp's worth, the widest.
template <class T>
void check_gelu_and_columns(std::int64_t rows, std::int64_t width) {
  SCOPED_TRACE(testing::Message() << type_of<T> << " " << rows << " x " << width);
  const at::ScalarType type = type_of<T>;
  const at::Tensor x = values({rows, width}, 0.731, 4, 0, type), bias = values({width}, 0.31, 1, 0.2, type);
  const at::Tensor grad = values({rows, width}, 1.37, 1, 0.1, type);
  for (const Gelu kind : {Gelu::exact, Gelu::quick, Gelu::tanh}) {
    const at::Tensor in = x.to(at::kDouble).requires_grad_(), b = bias.to(at::kDouble).requires_grad_();
    const at::Tensor y = bias_gelu_reference(in, b, kind);
    const auto truth = torch::autograd::grad({y}, {in, b}, {grad.to(at::kDouble)});
    const Room found({rows, width}, type), by_x({rows, width}, type), by_bias({width}, type);
    const Room workspace({static_cast<std::int64_t>(column_workspace(rows, width))}, at::kFloat);
    launch_bias_gelu(x.data_ptr<T>(), bias.data_ptr<T>(), found.data<T>(), rows, width, kind, nullptr);
    launch_bias_gelu_backward(grad.data_ptr<T>(), x.data_ptr<T>(), bias.data_ptr<T>(), by_x.data<T>(),
                              by_bias.data<T>(), workspace.data<float>(), rows, width, kind, nullptr);
    EXPECT_TRUE(close(found.tensor(), y.detach(), share_of<T>));
    EXPECT_TRUE(close(by_x.tensor(), truth[0], share_of<T>));
    EXPECT_TRUE(close(by_bias.tensor(), truth[1], share_of<T>));
    for (const Room* room : {&found, &by_x, &by_bias, &workspace}) EXPECT_TRUE(room->margin_untouched());
  }
  const Room sum({rows, width}, type), sums({width}, type);
  const Room workspace({static_cast<std::int64_t>(column_workspace(rows, width))}, at::kFloat);
  launch_add_bias(x.data_ptr<T>(), grad.data_ptr<T>(), bias.data_ptr<T>(), sum.data<T>(), rows, width, nullptr);
  launch_column_sums(grad.data_ptr<T>(), sums.data<T>(), workspace.data<float>(), rows, width, nullptr);
  const at::Tensor exact = x.to(at::kFloat) + (grad.to(at::kFloat) + bias.to(at::kFloat));
  EXPECT_TRUE(at::equal(sum.tensor(), exact.to(type)));  // rounded once
  EXPECT_TRUE(close(sums.tensor(), grad.to(at::kDouble).sum(0), share_of<T>));
  for (const Room* room : {&sum, &sums, &workspace}) EXPECT_TRUE(room->margin_untouched());
}

TEST(DeviceKernelsOnHost, GeluBiasAndColumnSumsAreTheReferences) {
  for (const auto& [rows, width] : {std::pair{1, 1}, {7, 37}, {67, 64}, {20, 263}, {9, 520}}) {
    check_gelu_and_columns<float>(rows, width);
    check_gelu_and_columns<c10::BFloat16>(rows, width);
  }
}

template <class T>
void check_norm(std::int64_t rows, std::int64_t width, double eps = kNormEps) {
  SCOPED_TRACE(testing::Message() << type_of<T> << " " << rows << " x " << width);
  const at::ScalarType type = type_of<T>;
  const at::Tensor x = values({rows, width}, 0.731, 3, 0.5, type), delta = values({rows, width}, 1.317, 1.5, 0, type);
  const at::Tensor bias = values({width}, 0.531, 0.5, 0.1, type), gamma = values({width}, 0.911, 0.7, 1, type);
  const at::Tensor beta = values({width}, 0.377, 0.8, -0.2, type);
  const at::Tensor by_sum = values({rows, width}, 2.137, 1, 0.1, type);
  const at::Tensor by_normed = values({rows, width}, 0.3931, 1, -0.1, type);
  for (const bool adds : {false, true}) {
    const Room sum({rows, width}, type), normed({rows, width}, type), mean({rows}, at::kFloat),
        rstd({rows}, at::kFloat);
    launch_add_layer_norm<T>(x.data_ptr<T>(), adds ? delta.data_ptr<T>() : nullptr, adds ? bias.data_ptr<T>() : nullptr,
                             gamma.data_ptr<T>(), beta.data_ptr<T>(), adds ? sum.data<T>() : nullptr, normed.data<T>(),
                             mean.data<float>(), rstd.data<float>(), rows, width, static_cast<float>(eps), nullptr);
    at::Tensor input = x;  // what was normalised
    if (adds) {
      input = sum.tensor();
      const at::Tensor exact = x.to(at::kFloat) + (delta.to(at::kFloat) + bias.to(at::kFloat));
      EXPECT_TRUE(at::equal(input, exact.to(type)));
    } else {
      EXPECT_TRUE(sum.tensor().isnan().all().item<bool>());
    }
    const at::Tensor in = input.to(at::kDouble).clone().requires_grad_(), again = in * 1.0;
    const at::Tensor g = gamma.to(at::kDouble).requires_grad_(), b = beta.to(at::kDouble).requires_grad_();
    const at::Tensor y = layer_norm_reference(again, g, b, eps);
    EXPECT_TRUE(close(normed.tensor(), y.detach(), share_of<T>));
    EXPECT_TRUE(close(mean.tensor(), in.detach().mean(-1), 2e-5));
    EXPECT_TRUE(close(rstd.tensor(), at::rsqrt(in.detach().var(-1, false) + eps), 2e-5));

    const Room by_x({rows, width}, type), by_vectors({adds ? 3 : 2, width}, type);
    const Room workspace({static_cast<std::int64_t>(layer_norm_workspace(rows, width, adds))}, at::kFloat);
    launch_layer_norm_backward<T>(by_normed.data_ptr<T>(), adds ? by_sum.data_ptr<T>() : nullptr, input.data_ptr<T>(),
                                  gamma.data_ptr<T>(), mean.data<float>(), rstd.data<float>(), by_x.data<T>(),
                                  by_vectors.data<T>(), workspace.data<float>(), rows, width, nullptr);
    const at::Tensor pull_sum = adds ? by_sum.to(at::kDouble) : at::zeros_like(in);
    const auto truth = torch::autograd::grad({again, y}, {in, g, b}, {pull_sum, by_normed.to(at::kDouble)});
    EXPECT_TRUE(close(by_x.tensor(), truth[0], share_of<T>));
    EXPECT_TRUE(close(by_vectors.tensor()[0], truth[1], share_of<T>));
    EXPECT_TRUE(close(by_vectors.tensor()[1], truth[2], share_of<T>));
    if (adds) {
      EXPECT_TRUE(close(by_vectors.tensor()[2], by_x.tensor().to(at::kDouble).sum(0), share_of<T>));
    }
    for (const Room* room : {&sum, &normed, &mean, &rstd, &by_x, &by_vectors, &workspace}) {
      EXPECT_TRUE(room->margin_untouched());
    }
  }
}

TEST(DeviceKernelsOnHost, LayerNormAndItsSumAreTheReferences) {
  for (const auto& [rows, width] : {std::pair{1, 1},
                                    {5, 37},
                                    {19, 64},
                                    {17, 192},
                                    {6, 770},
                                    {5, 1024},
                                    {3, 3000},
                                    {3, 4104},
                                    {2, 8191},
                                    {2, 8192}}) {
    check_norm<float>(rows, width);
    check_norm<c10::BFloat16>(rows, width);
    check_norm<float>(rows, width, 0.25);
  }
  check_norm<c10::BFloat16>(8 * 264 + 5, 16);  // more rows than backward's blocks take at once
}

TEST(DeviceKernelsOnHost, PixelsAreThoseOfTheModel) {
  const PixelNorm norm{{0.1, 0.5, 0.9}, {0.2, 0.3, 0.4}};
  ChannelAffine affine{};
  for (std::size_t c = 0; c < 3; ++c) {
    affine.scale[c] = static_cast<float>(1.0 / (255.0 * norm.std[c]));
    affine.shift[c] = static_cast<float>(-norm.mean[c] / norm.std[c]);
  }
  for (const auto& [height, width] : {std::pair{7, 9}, {16, 24}, {70, 68}}) {
    const at::Tensor bytes = at::arange(5 * 3 * height * width).mul(37).remainder(256).to(at::kByte);
    const at::Tensor pixels = bytes.view({5, 3, height, width});
    const Room high({5, 3, height, width}, at::kFloat), low({5, 3, height, width}, at::kBFloat16);
    launch_normalise_pixels(bytes.data_ptr<std::uint8_t>(), high.data<float>(), affine, 15, height * width, nullptr);
    launch_normalise_pixels(bytes.data_ptr<std::uint8_t>(), low.data<c10::BFloat16>(), affine, 15, height * width,
                            nullptr);
    EXPECT_TRUE(close(high.tensor(), normalise_pixels(pixels, norm, at::kFloat), 1e-5));
    EXPECT_TRUE(close(low.tensor(), normalise_pixels(pixels, norm, at::kFloat), 1.0 / 256));
    EXPECT_TRUE(high.margin_untouched() && low.margin_untouched());
  }
}

}  // namespace
}  // namespace clip_hpc
