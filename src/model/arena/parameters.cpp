#include "clip_hpc/model/arena/parameters.hpp"

#include <ATen/core/grad_mode.h>
#include <algorithm>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

std::int64_t part_length(std::int64_t numel, int parts) {
  constexpr std::int64_t kAlign = 64;  // elements: parts begin on cache lines and on 16-byte loads
  if (parts == 1) return numel;
  return (numel + parts * kAlign - 1) / (parts * kAlign) * kAlign;
}

}  // namespace

ArenaSlice arena_slice(std::int64_t numel, ArenaShare share) {
  const std::int64_t length = part_length(numel, share.parts);
  return {std::min(numel, share.part * length), std::min(numel, (share.part + 1) * length)};
}

std::size_t ParameterArena::declare(std::string name, std::vector<std::int64_t> shape, ParameterTraits traits) {
  if (is_allocated()) throw internal_error("parameter {} declared after the arena was allocated", name);
  const std::int64_t numel = c10::multiply_integers(shape);
  if (traits.limits) limited_.push_back({numel_, numel, traits.limits->low, traits.limits->high});
  specs_.push_back({std::move(traits), std::move(name), std::move(shape), numel_, numel});
  numel_ += numel;
  return specs_.size() - 1;
}

std::size_t ParameterArena::declare_buffer(std::string name, std::vector<std::int64_t> shape, double initial) {
  if (is_allocated()) throw internal_error("buffer {} declared after the arena was allocated", name);
  const std::int64_t numel = c10::multiply_integers(shape);
  buffer_specs_.push_back({std::move(name), std::move(shape), buffer_numel_, numel, initial});
  buffer_numel_ += numel;
  return buffer_specs_.size() - 1;
}

std::vector<NamedShape> ParameterArena::exported() const {
  std::vector<NamedShape> all;
  for (const ParameterSpec& spec : specs_) {
    if (spec.exported) all.push_back({spec.name, spec.shape});
  }
  for (const BufferSpec& spec : buffer_specs_) all.push_back({spec.name, spec.shape});
  return all;
}

std::vector<UpdateRange> ParameterArena::update_ranges() const {
  std::vector<UpdateRange> ranges;
  for (const ParameterSpec& spec : specs_) {
    const std::int64_t begin = std::max(spec.offset, held_.begin), end = std::min(spec.offset + spec.numel, held_.end);
    if (begin >= end) continue;
    if (!ranges.empty() && ranges.back().decay == spec.decay && ranges.back().frozen == spec.frozen) {
      ranges.back().end = end;
    } else {
      ranges.push_back({begin, end, spec.decay, spec.frozen});
    }
  }
  return ranges;
}

void ParameterArena::allocate(at::ScalarType compute, at::Device device, ArenaShare share) {
  const auto fp32 = at::TensorOptions().dtype(at::kFloat).device(device);
  const auto low = at::TensorOptions().dtype(compute).device(device);
  share_ = share;
  held_ = arena_slice(numel_, share);
  padded_weights_ = at::zeros({part_length(numel_, share.parts) * share.parts}, low);
  weights_ = padded_weights_.narrow(0, 0, numel_);
  master_ = compute == at::kFloat ? weights_.narrow(0, held_.begin, held_.size()) : at::zeros({held_.size()}, fp32);
  gradients_ = at::zeros({numel_}, low);
  leaves_.clear();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const ParameterSpec& spec = specs_[i];
    at::Tensor leaf = weights_.narrow(0, spec.offset, spec.numel).view(spec.shape).detach();
    leaf.requires_grad_(!spec.frozen);
    // Backward adds in place, so the pointer stays inside the arena.
    if (!spec.frozen) leaf.mutable_grad() = gradient_view(i);
    leaves_.push_back(leaf);
  }
  buffers_ = at::empty({buffer_numel_}, fp32);
  for (std::size_t i = 0; i < buffer_specs_.size(); ++i) buffer(i).fill_(buffer_specs_[i].initial);
}

void ParameterArena::initialise(const std::string& scheme, std::uint64_t seed) {
  for (std::size_t index = 0; index < specs_.size(); ++index) {
    const ParameterSpec& spec = specs_[index];
    const at::Tensor values = at::empty({spec.numel}, at::kFloat);
    draw(scheme == "open_clip" ? spec.initial.open_clip : spec.initial.clip_hpc, seed, spec.name, values);
    set_parameter(index, values);
  }
}

at::Tensor ParameterArena::buffer(std::size_t index) const {
  const BufferSpec& spec = buffer_specs_[index];
  return buffers_.narrow(0, spec.offset, spec.numel).view(spec.shape);
}

at::Tensor ParameterArena::master_view(std::size_t index) const {
  if (share_.parts > 1) throw internal_error("the master of {} may lie on another rank", specs_[index].name);
  return master_.narrow(0, specs_[index].offset, specs_[index].numel).view(specs_[index].shape);
}

void ParameterArena::set_parameter(std::size_t index, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  const ParameterSpec& spec = specs_[index];
  const at::Tensor flat = values.reshape({-1});
  weights_.narrow(0, spec.offset, spec.numel).copy_(flat);
  const std::int64_t begin = std::max(spec.offset, held_.begin);
  const std::int64_t end = std::min(spec.offset + spec.numel, held_.end);
  if (begin < end) {
    master_.narrow(0, begin - held_.begin, end - begin).copy_(flat.narrow(0, begin - spec.offset, end - begin));
  }
}

at::Tensor ParameterArena::gradient_view(std::size_t index) const {
  return gradients_.narrow(0, specs_[index].offset, specs_[index].numel).view(specs_[index].shape);
}

void ParameterArena::zero_gradients() { gradients_.zero_(); }

void ParameterArena::refresh_weights() {
  if (weights_.scalar_type() != at::kFloat) weights_.narrow(0, held_.begin, held_.size()).copy_(master_);
}

void ParameterArena::gather_weights(Communicator& comm) {
  if (share_.parts == 1) return;
  const std::int64_t length = padded_weights_.numel() / share_.parts;
  comm.all_gather(padded_weights_, padded_weights_.narrow(0, share_.part * length, length));
}

}  // namespace clip_hpc
