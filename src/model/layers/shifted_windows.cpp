#include "model/layers/shifted_windows.hpp"

#include <algorithm>
#include <cmath>

namespace clip_hpc {
namespace {

constexpr double kAcross = -100;  // timm's: between places that the shift brought together

// [batch, padded, padded, width] -> [windows, tokens, width]
at::Tensor windows_of(const at::Tensor& x, std::int64_t window) {
  const std::int64_t batch = x.size(0), along = x.size(1) / window, width = x.size(3);
  return x.view({batch, along, window, along, window, width})
      .permute({0, 1, 3, 2, 4, 5})
      .reshape({batch * along * along, window * window, width});
}

// Both are made where they are used: nothing is copied to a device, which a training step would have to wait for.
at::Tensor relative_index(std::int64_t window, const at::Device& device) {
  const at::Tensor place = at::arange(window, at::TensorOptions().dtype(at::kLong).device(device));
  const at::Tensor row = place.view({-1, 1}).expand({window, window}).flatten();  // of a token
  const at::Tensor column = place.view({1, -1}).expand({window, window}).flatten();
  const at::Tensor down = row.view({-1, 1}) - row.view({1, -1}) + (window - 1);  // [query, key]
  const at::Tensor across = column.view({-1, 1}) - column.view({1, -1}) + (window - 1);
  return (down * (2 * window - 1) + across).flatten();
}

// Of the rolled grid: what the roll brought to one edge from the other belongs to another region.
at::Tensor border_mask(std::int64_t padded, std::int64_t window, std::int64_t shift, const at::Device& device) {
  const at::Tensor place = at::arange(padded, at::TensorOptions().dtype(at::kLong).device(device));
  const at::Tensor region = (place >= padded - window).to(at::kLong) + (place >= padded - shift).to(at::kLong);
  const at::Tensor both = region.view({-1, 1}) * 3 + region.view({1, -1});                  // [padded, padded]
  const at::Tensor ids = windows_of(both.view({1, padded, padded, 1}), window).squeeze(2);  // [windows, tokens]
  const at::Tensor differ = ids.unsqueeze(1) != ids.unsqueeze(2);                           // [windows, tokens, tokens]
  return differ.to(at::kFloat).mul(kAcross).unsqueeze(1);
}

}  // namespace

ShiftedWindows::ShiftedWindows(std::int64_t side, std::int64_t window)
    : side_(side),
      window_(std::min(side, window)),
      shift_(side <= window ? 0 : window / 2),
      padded_((side + window_ - 1) / window_ * window_) {}

void ShiftedWindows::follow(const at::Device& device) const {
  if (index_.defined() && index_.device() == device) return;
  index_ = relative_index(window_, device);
  if (shift_ > 0) mask_ = border_mask(padded_, window_, shift_, device);
}

at::Tensor ShiftedWindows::cut(const at::Tensor& x, bool shifted) const {
  const std::int64_t shift = shift_of(shifted), more = padded_ - side_;
  at::Tensor y = shift == 0 ? x : at::roll(x, {-shift, -shift}, {1, 2});
  if (more > 0) y = at::constant_pad_nd(y, {0, 0, 0, more, 0, more});
  return windows_of(y, window_);
}

at::Tensor ShiftedWindows::join(const at::Tensor& windows, std::int64_t batch, bool shifted) const {
  const std::int64_t along = padded_ / window_, width = windows.size(2), shift = shift_of(shifted);
  at::Tensor x = windows.view({batch, along, along, window_, window_, width})
                     .permute({0, 1, 3, 2, 4, 5})
                     .reshape({batch, padded_, padded_, width});
  if (padded_ > side_) x = x.slice(1, 0, side_).slice(2, 0, side_);
  return shift == 0 ? x : at::roll(x, {shift, shift}, {1, 2});
}

at::Tensor ShiftedWindows::attention(const at::Tensor& qkv, const at::Tensor& bias_table, bool shifted) const {
  follow(qkv.device());
  const std::int64_t count = qkv.size(0), n = tokens(), heads = bias_table.size(1), width = qkv.size(2) / 3;
  const at::Tensor parts = qkv.view({count, n, 3, heads, width / heads}).permute({2, 0, 3, 1, 4});
  const double scale = std::pow(static_cast<double>(width / heads), -0.5);
  at::Tensor scores = at::matmul(parts[0] * scale, parts[1].transpose(-2, -1));  // [windows, heads, tokens, tokens]
  scores = scores + bias_table.index_select(0, index_).view({n, n, heads}).permute({2, 0, 1});
  if (shift_of(shifted) > 0) {
    const std::int64_t of_image = mask_.size(0);
    scores = (scores.view({count / of_image, of_image, heads, n, n}) + mask_.to(scores.scalar_type()))
                 .view({count, heads, n, n});
  }
  return at::matmul(scores.softmax(-1), parts[2]).transpose(1, 2).reshape({count, n, width});
}

}  // namespace clip_hpc
