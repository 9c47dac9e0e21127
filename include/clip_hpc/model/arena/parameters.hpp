// All parameters of a model in one contiguous buffer; so are gradients and optimizer moments. A parameter and its
// gradient are views. A gradient bucket, an optimizer shard and a checkpoint slice are contiguous ranges of elements.
// The layout (name, shape, offset) is the order of declaration and is written into every checkpoint.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

struct ParameterSpec {
  std::string name;                 // open_clip's state_dict key
  std::vector<std::int64_t> shape;  // {} for a scalar
  std::int64_t offset = 0;          // in elements from the start of the arena
  std::int64_t numel = 1;
  bool decay = true;  // weight decay applies
};

struct LimitedRange {  // elements whose values stay within [low, high]
  std::int64_t offset = 0, numel = 0;
  double low = 0, high = 0;
};

struct ArenaSlice {  // elements [begin, end) of an arena
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  friend bool operator==(const ArenaSlice&, const ArenaSlice&) = default;
};

struct ArenaShare {  // which part of the optimizer's state this rank keeps; 0 of 1: all of it
  int part = 0, parts = 1;
};

// Parts of equal length, a multiple of 64 elements; the last ones may be shorter, or empty in a very small arena.
ArenaSlice arena_slice(std::int64_t numel, ArenaShare share);

class ParameterArena {
 public:
  // Declares one parameter and returns its index. Only before allocate().
  std::size_t declare(std::string name, std::vector<std::int64_t> shape, bool decay);

  // Makes the buffers: fp32 master, gradients and, unless `compute` is fp32, weights in the compute type. Of the master
  // only `share` is kept.
  void allocate(at::ScalarType compute, at::Device device = at::kCPU, ArenaShare share = {});

  void limit(std::size_t index, double low, double high);  // what an update of that parameter must not leave
  const std::vector<LimitedRange>& limited() const { return limited_; }  // in the order of their elements

  const std::vector<ParameterSpec>& specs() const { return specs_; }
  std::int64_t numel() const { return numel_; }
  ArenaShare share() const { return share_; }
  ArenaSlice held() const { return held_; }  // the elements that this rank updates

  at::Tensor parameter(std::size_t index) const { return leaves_[index]; }  // leaf, requires grad, compute type
  at::Tensor gradient_view(std::size_t index) const;
  at::Tensor master_view(std::size_t index) const;  // fp32, the same elements; only of an arena that is not shared
  void set_parameter(std::size_t index, const at::Tensor& values);  // fp32 -> weights and what is held of the master

  at::Tensor& master() { return master_; }        // [held] fp32: the truth
  at::Tensor& weights() { return weights_; }      // [numel] compute type; for fp32 master is a view of it
  at::Tensor& gradients() { return gradients_; }  // [numel] compute type; backward accumulates here
  void zero_gradients();
  void refresh_weights();                   // held weights <- master, after a restore
  void gather_weights(Communicator& comm);  // collective: every rank gets what the others hold, after an update

 private:
  std::vector<ParameterSpec> specs_;
  std::vector<LimitedRange> limited_;
  std::vector<at::Tensor> leaves_;
  at::Tensor master_, weights_, gradients_;
  at::Tensor padded_weights_;  // parts of equal length, as an all-gather wants them; weights_ is its beginning
  std::int64_t numel_ = 0;
  ArenaShare share_;
  ArenaSlice held_;
};

}  // namespace clip_hpc
