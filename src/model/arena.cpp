#include "clip_hpc/model/arena.hpp"

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

std::size_t ParameterArena::declare(std::string name, std::vector<std::int64_t> shape, bool decay) {
  if (master_.defined()) throw internal_error("parameter {} declared after the arena was allocated", name);
  std::int64_t numel = 1;
  for (const std::int64_t extent : shape) numel *= extent;
  specs_.push_back({std::move(name), std::move(shape), numel_, numel, decay});
  numel_ += numel;
  return specs_.size() - 1;
}

void ParameterArena::allocate(at::ScalarType compute, at::Device device) {
  const auto fp32 = at::TensorOptions().dtype(at::kFloat).device(device);
  const auto low = at::TensorOptions().dtype(compute).device(device);
  master_ = at::zeros({numel_}, fp32);
  weights_ = compute == at::kFloat ? master_ : at::zeros({numel_}, low);
  gradients_ = at::zeros({numel_}, low);
  leaves_.clear();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const ParameterSpec& spec = specs_[i];
    at::Tensor leaf = weights_.narrow(0, spec.offset, spec.numel).view(spec.shape).detach();
    leaf.requires_grad_(true);
    leaf.mutable_grad() = gradient_view(i);  // backward adds in place, so the pointer stays inside the arena
    leaves_.push_back(leaf);
  }
}

at::Tensor ParameterArena::master_view(std::size_t index) const {
  return master_.narrow(0, specs_[index].offset, specs_[index].numel).view(specs_[index].shape);
}

at::Tensor ParameterArena::gradient_view(std::size_t index) const {
  return gradients_.narrow(0, specs_[index].offset, specs_[index].numel).view(specs_[index].shape);
}

void ParameterArena::zero_gradients() { gradients_.zero_(); }

void ParameterArena::refresh_weights() {
  if (weights_.scalar_type() != at::kFloat) weights_.copy_(master_);
}

}  // namespace clip_hpc
