// Attention within windows of a square grid, shifted by half a window in every other block (Swin).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace clip_hpc {

class ShiftedWindows {
 public:
  // A grid that is no larger than a window is one window, and is not shifted. Other grids are filled up with zeros at
  // the right and at the bottom.
  ShiftedWindows(std::int64_t side, std::int64_t window);

  std::int64_t tokens() const { return window_ * window_; }                      // of a window
  std::int64_t padded_tokens() const { return padded_ * padded_; }               // of all windows of an image
  std::int64_t biases() const { return (2 * window_ - 1) * (2 * window_ - 1); }  // rows of the table

  at::Tensor cut(const at::Tensor& x, bool shifted) const;  // [batch, side, side, width] -> [windows, tokens, width]
  at::Tensor join(const at::Tensor& windows, std::int64_t batch, bool shifted) const;  // the way back

  // qkv [windows, tokens, 3 * width], bias_table [biases, heads] -> [windows, tokens, width]
  at::Tensor attention(const at::Tensor& qkv, const at::Tensor& bias_table, bool shifted) const;

 private:
  std::int64_t shift_of(bool shifted) const { return shifted ? shift_ : 0; }
  void follow(const at::Device& device) const;

  std::int64_t side_, window_, shift_, padded_;
  mutable at::Tensor index_;  // [tokens * tokens] int64: which row of the table a query and a key take
  mutable at::Tensor mask_;   // [windows of an image, 1, tokens, tokens] fp32: 0, or -100 across a border; or undefined
};

}  // namespace clip_hpc
