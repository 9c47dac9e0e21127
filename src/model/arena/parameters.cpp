#include "clip_hpc/model/arena/parameters.hpp"

#include <ATen/core/grad_mode.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"

namespace clip_hpc {
namespace {

std::int64_t part_length(std::int64_t numel, int parts) {
  constexpr std::int64_t kAlign = 64;  // elements: parts begin on cache lines and on 16-byte loads
  if (parts == 1) return numel;
  return (numel + parts * kAlign - 1) / (parts * kAlign) * kAlign;
}

// Training keeps a parameter within its limits from the first step on.
void keep_limits(const ParameterSpec& spec, at::Tensor values) {
  if (!spec.limits) return;
  const at::Tensor given = values.clone();
  values.clamp_(spec.limits->low, spec.limits->high);
  if (at::equal(given, values)) return;
  log_info("warning: {} would begin at {}: it is kept within {} to {}", spec.name, given.view({-1})[0].item<double>(),
           spec.limits->low, spec.limits->high);
}

std::int64_t elements_of(const std::string& name, const std::vector<std::int64_t>& shape, std::int64_t before) {
  std::int64_t numel = 1, end = 0;
  for (const std::int64_t extent : shape) {
    if (__builtin_mul_overflow(numel, extent, &numel)) {
      throw input_error("parameter {} of the shape [{}] is too large: check the model's JSON", name,
                        fmt::join(shape, ", "));
    }
  }
  if (__builtin_add_overflow(before, numel, &end)) throw input_error("the model has too many parameters for 64 bits");
  return numel;
}

}  // namespace

ArenaSlice arena_slice(std::int64_t numel, ArenaShare share) {
  const std::int64_t length = part_length(numel, share.parts);
  return {std::min(numel, share.part * length), std::min(numel, (share.part + 1) * length)};
}

std::size_t ParameterArena::declare(std::string name, std::vector<std::int64_t> shape, ParameterTraits traits) {
  if (is_allocated()) throw internal_error("parameter {} declared after the arena was allocated", name);
  const std::int64_t numel = elements_of(name, shape, declared_numel_);
  if (traits.in_fp32 && numel != 1) throw internal_error("parameter {} is used in fp32 and no scalar", name);
  declared_numel_ += numel;
  specs_.push_back(
      {std::move(traits), std::move(name), std::move(shape), numel_, numel, part_, group_, std::nullopt, {}});
  ParameterSpec& spec = specs_.back();
  if (spec.frozen) {
    spec.buffer = declare_buffer(spec.name, spec.shape, 0, spec.exported);
    return specs_.size() - 1;
  }
  if (spec.limits) limited_.push_back({spec.offset, numel, spec.limits->low, spec.limits->high});
  numel_ += numel;
  return specs_.size() - 1;
}

void ParameterArena::begin_part() {
  ++part_;
  group_ = 0;
}

int ParameterArena::last_group(int part) const {
  int last = 0;
  for (const ParameterSpec& spec : specs_) last = spec.part == part ? std::max(last, spec.group) : last;
  return last;
}

void ParameterArena::freeze(const std::function<bool(const ParameterSpec&)>& picks) {
  if (is_allocated()) throw internal_error("parameters cannot be frozen once they are allocated");
  numel_ = 0;
  limited_.clear();
  for (ParameterSpec& spec : specs_) {
    if (!spec.frozen && picks(spec)) {
      spec.frozen = true;
      spec.buffer = declare_buffer(spec.name, spec.shape, 0, spec.exported);
    }
    if (spec.frozen) continue;
    spec.offset = numel_;
    if (spec.limits) limited_.push_back({spec.offset, spec.numel, spec.limits->low, spec.limits->high});
    numel_ += spec.numel;
  }
}

void ParameterArena::factor_as(std::size_t index, std::vector<std::int64_t> extents) {
  ParameterSpec& spec = specs_[index];
  if (c10::multiply_integers(extents) != spec.numel) {
    throw internal_error("{} has {} elements and cannot be factored as [{}]", spec.name, spec.numel,
                         fmt::join(extents, ", "));
  }
  spec.factored_as = std::move(extents);
}

std::vector<ParameterSpec> ParameterArena::trained() const {
  std::vector<ParameterSpec> trained;
  std::ranges::copy_if(specs_, std::back_inserter(trained), [](const ParameterSpec& spec) { return !spec.frozen; });
  return trained;
}

std::size_t ParameterArena::declare_buffer(std::string name, std::vector<std::int64_t> shape, double initial,
                                           bool exported) {
  if (is_allocated()) throw internal_error("buffer {} declared after the arena was allocated", name);
  const std::int64_t numel = c10::multiply_integers(shape);
  buffer_specs_.push_back({std::move(name), std::move(shape), buffer_numel_, numel, initial, exported});
  buffer_numel_ += numel;
  return buffer_specs_.size() - 1;
}

void ParameterArena::decay_positions(bool on) {
  for (ParameterSpec& spec : specs_) {
    if (spec.position) spec.decay = on;
  }
}

void ParameterArena::scale_learning_rates(double factor) {
  for (ParameterSpec& spec : specs_) spec.lr_scale = std::pow(factor, last_group(spec.part) - spec.group);
}

std::vector<NamedShape> ParameterArena::exported() const {
  std::vector<NamedShape> all;
  for (const ParameterSpec& spec : specs_) {
    if (spec.exported && !spec.frozen) all.push_back({spec.name, spec.shape, spec.grid});
  }
  for (const BufferSpec& spec : buffer_specs_) {
    if (!spec.exported) continue;
    const auto frozen = std::ranges::find(specs_, spec.name, &ParameterSpec::name);
    all.push_back({spec.name, spec.shape, frozen == specs_.end() ? std::nullopt : frozen->grid});
  }
  return all;
}

std::vector<UpdateRange> ParameterArena::update_ranges() const {
  std::vector<UpdateRange> ranges;
  for (const ParameterSpec& spec : specs_) {
    if (spec.frozen) continue;
    const std::int64_t begin = std::max(spec.offset, held_.begin), end = std::min(spec.offset + spec.numel, held_.end);
    if (begin >= end) continue;
    if (!ranges.empty() && ranges.back().decay == spec.decay && ranges.back().lr_scale == spec.lr_scale) {
      ranges.back().end = end;
    } else {
      ranges.push_back({begin, end, spec.decay, spec.lr_scale});
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
  buffers_ = at::empty({buffer_numel_}, fp32);
  for (std::size_t i = 0; i < buffer_specs_.size(); ++i) buffer(i).fill_(buffer_specs_[i].initial);
  leaves_.clear();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const ParameterSpec& spec = specs_[i];
    if (spec.frozen) {  // fp32 is the buffer itself
      leaves_.push_back(buffer(*spec.buffer).to(compute));
      continue;
    }
    at::Tensor leaf = weights_.narrow(0, spec.offset, spec.numel).view(spec.shape).detach();
    leaf.requires_grad_();
    leaf.mutable_grad() = gradient_view(i);  // backward adds in place, so the pointer stays inside the arena
    leaves_.push_back(leaf);
  }
  exact_values_ = share.parts > 1 && compute == at::kBFloat16 ? at::zeros({std::ssize(specs_)}, fp32) : at::Tensor();
}

void ParameterArena::initialise(const std::string& scheme, std::uint64_t seed) {
  for (std::size_t index = 0; index < specs_.size(); ++index) {
    const ParameterSpec& spec = specs_[index];
    const at::Tensor values = at::empty({spec.numel}, at::kFloat);
    draw(scheme == "open_clip" ? spec.initial.open_clip : spec.initial.clip_hpc, seed, spec.name, values);
    keep_limits(spec, values);
    set_parameter(index, values);
  }
}

at::Tensor ParameterArena::exact(std::size_t index) const {
  const ParameterSpec& spec = specs_[index];
  const at::Tensor& leaf = leaves_[index];
  if (!spec.in_fp32) throw internal_error("{} is not declared to be used in fp32", spec.name);
  if (spec.frozen) return buffer(*spec.buffer);
  if (leaf.scalar_type() != at::kBFloat16) return leaf;
  const at::Tensor value =
      exact_values_.defined() ? exact_values_.select(0, static_cast<std::int64_t>(index)) : master_view(index);
  // The rounded value and what rounding took away, in fp32: their sum is exact, and its derivative by the leaf is 1.
  const at::Tensor taken = value.detach() - leaf.detach().to(at::kFloat);
  return leaf.to(at::kFloat) + taken;
}

at::Tensor ParameterArena::buffer(std::size_t index) const {
  const BufferSpec& spec = buffer_specs_[index];
  return buffers_.narrow(0, spec.offset, spec.numel).view(spec.shape);
}

at::Tensor ParameterArena::master_view(std::size_t index) const {
  if (const auto buffer_index = specs_[index].buffer) return buffer(*buffer_index);
  if (share_.parts > 1) throw internal_error("the master of {} may lie on another rank", specs_[index].name);
  return master_.narrow(0, specs_[index].offset, specs_[index].numel).view(specs_[index].shape);
}

void ParameterArena::set_parameter(std::size_t index, const at::Tensor& values) {
  const at::NoGradGuard no_grad;
  const ParameterSpec& spec = specs_[index];
  const at::Tensor flat = values.reshape({-1});
  if (spec.frozen) {
    buffer(*spec.buffer).copy_(flat.view(spec.shape));
    leaves_[index].copy_(flat.view(spec.shape));
    return;
  }
  weights_.narrow(0, spec.offset, spec.numel).copy_(flat);
  if (spec.in_fp32 && exact_values_.defined()) exact_values_.narrow(0, static_cast<std::int64_t>(index), 1).copy_(flat);
  const std::int64_t begin = std::max(spec.offset, held_.begin);
  const std::int64_t end = std::min(spec.offset + spec.numel, held_.end);
  if (begin < end) {
    master_.narrow(0, begin - held_.begin, end - begin).copy_(flat.narrow(0, begin - spec.offset, end - begin));
  }
}

at::Tensor ParameterArena::gradient_view(std::size_t index) const {
  if (specs_[index].frozen) throw internal_error("{} is frozen and has no gradient", specs_[index].name);
  return gradients_.narrow(0, specs_[index].offset, specs_[index].numel).view(specs_[index].shape);
}

void ParameterArena::zero_gradients() { gradients_.zero_(); }

void ParameterArena::refresh_weights() {
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (specs_[i].frozen) leaves_[i].copy_(buffer(*specs_[i].buffer));
  }
  if (weights_.scalar_type() != at::kFloat) weights_.narrow(0, held_.begin, held_.size()).copy_(master_);
}

void ParameterArena::gather_weights(Communicator& comm) {
  if (share_.parts == 1) return;
  const std::int64_t length = padded_weights_.numel() / share_.parts;
  comm.all_gather(padded_weights_, padded_weights_.narrow(0, share_.part * length, length));
  if (!exact_values_.defined()) return;
  exact_values_.zero_();
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    const ParameterSpec& spec = specs_[i];
    if (spec.frozen || !spec.in_fp32 || spec.offset < held_.begin || spec.offset >= held_.end) continue;
    exact_values_.narrow(0, static_cast<std::int64_t>(i), 1).copy_(master_.narrow(0, spec.offset - held_.begin, 1));
  }
  comm.all_reduce(exact_values_, ReduceOp::sum);  // each of them is on one rank; the others add zeros
}

}  // namespace clip_hpc
