// All parameters of a model in one contiguous buffer; so are gradients and optimizer moments. A parameter and its
// gradient are views. A gradient bucket, an optimizer shard and a checkpoint slice are contiguous ranges of elements.
// The layout (name, shape, offset) is the order of declaration and is written into every checkpoint.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

namespace clip_hpc {

struct ParameterSpec {
  std::string name;                 // open_clip's state_dict key
  std::vector<std::int64_t> shape;  // {} for a scalar
  std::int64_t offset = 0;          // in elements from the start of the arena
  std::int64_t numel = 1;
  bool decay = true;  // weight decay applies
};

class ParameterArena {
 public:
  // Declares one parameter and returns its index. Only before allocate().
  std::size_t declare(std::string name, std::vector<std::int64_t> shape, bool decay);

  // Makes the buffers: fp32 master, gradients and, unless `compute` is fp32, weights in the compute type.
  void allocate(at::ScalarType compute, at::Device device = at::kCPU);

  const std::vector<ParameterSpec>& specs() const { return specs_; }
  std::int64_t numel() const { return numel_; }

  at::Tensor parameter(std::size_t index) const { return leaves_[index]; }  // leaf, requires grad, compute type
  at::Tensor master_view(std::size_t index) const;                          // fp32, the same elements
  at::Tensor gradient_view(std::size_t index) const;

  at::Tensor& master() { return master_; }        // [numel] fp32: the truth
  at::Tensor& weights() { return weights_; }      // [numel] compute type; the same storage as master for fp32
  at::Tensor& gradients() { return gradients_; }  // [numel] compute type; backward accumulates here
  void zero_gradients();
  void refresh_weights();  // weights <- master, after an update or a restore

 private:
  std::vector<ParameterSpec> specs_;
  std::vector<at::Tensor> leaves_;
  at::Tensor master_, weights_, gradients_;
  std::int64_t numel_ = 0;
};

}  // namespace clip_hpc
