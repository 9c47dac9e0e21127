#include "clip_hpc/checkpoint/formats/format.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "checkpoint/pickle.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/checkpoint/formats/open_clip.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/config/rows.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kNamesShown = 5;

std::string listed(const std::vector<std::string>& names) {
  const auto shown = std::min(names.size(), kNamesShown);
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     names.size() > shown ? fmt::format(" and {} more", names.size() - shown) : "");
}

std::string shape_text(at::IntArrayRef shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// What wrappers of a model put before the names of its weights.
constexpr std::string_view kWrappers[] = {"module.", "_orig_mod.", "model."};
// Tensors of open_clip's and OpenAI's files that are no weights: a mask that follows from the context, and sizes.
constexpr std::string_view kNoWeights[] = {"attn_mask", "input_resolution", "context_length", "vocab_size"};

// By the model's names: a wrapper that stands before all of them is taken off, and one within another, too.
std::map<std::string, at::Tensor> own_names(const NamedTensors& weights, const std::vector<NamedShape>& names,
                                            const std::string& where) {
  std::map<std::string, at::Tensor> own(weights.begin(), weights.end());
  std::string taken_off;
  const auto is_wrapped_in = [&](std::string_view wrapper) {
    return !own.empty() && std::ranges::all_of(own, [&](const auto& one) { return one.first.starts_with(wrapper); }) &&
           std::ranges::none_of(names, [&](const NamedShape& spec) { return spec.name.starts_with(wrapper); });
  };
  for (bool found = true; found;) {
    found = false;
    for (const std::string_view wrapper : kWrappers) {
      if (!is_wrapped_in(wrapper)) continue;
      std::map<std::string, at::Tensor> shorter;
      for (const auto& [name, tensor] : own) shorter.emplace(name.substr(wrapper.size()), tensor);
      own = std::move(shorter);
      taken_off += wrapper;
      found = true;
    }
  }
  if (!taken_off.empty()) log_info("{}: \"{}\" before the names of all tensors is taken off", where, taken_off);
  return own;
}

void leave_out_no_weights(std::map<std::string, at::Tensor>& left, const std::string& where) {
  std::vector<std::string> names;
  for (const std::string_view name : kNoWeights) {
    if (left.erase(std::string(name)) > 0) names.emplace_back(name);
  }
  std::erase_if(left, [](const auto& one) { return one.first.ends_with(kBatchCounter); });
  if (!names.empty()) log_info("{}: left out, since they are no weights: {}", where, fmt::join(names, ", "));
}

}  // namespace

std::span<const WeightFormat> weight_formats() {
  static const WeightFormat kFormats[] = {
      open_clip_format(),
  };
  return kFormats;
}

const WeightFormat& weight_format(const std::string& name) { return row_named(weight_formats(), name, "format"); }

const WeightFormat& weight_format_of(const std::filesystem::path& input, const std::filesystem::path& config_file) {
  if (!std::filesystem::exists(input)) throw input_error("{} does not exist", input.native());
  refuse_pickle(input);
  for (const WeightFormat& format : weight_formats()) {
    if (format.reads(input, config_file)) return format;
  }
  throw input_error("{} is of no format that can be read: {}", input.native(),
                    fmt::join(names_of(weight_formats()), ", "));
}

NamedTensors match_weights(const NamedTensors& weights, const std::vector<NamedShape>& names,
                           const std::string& where) {
  std::map<std::string, at::Tensor> left = own_names(weights, names, where);
  std::vector<std::string> missing, unknown;
  NamedTensors matched;
  for (const NamedShape& spec : names) {
    const auto found = left.find(spec.name);
    if (found == left.end()) {
      missing.push_back(spec.name);
      continue;
    }
    at::Tensor tensor = found->second;
    left.erase(found);
    if (spec.shape.empty() && tensor.numel() == 1)
      tensor = tensor.reshape({});  // open_clip takes a scale of [1] as well
    if (tensor.sizes() != at::IntArrayRef(spec.shape)) {
      throw input_error("{}: tensor {} has the shape {}, the model {}: is the model's JSON the right one?", where,
                        spec.name, shape_text(tensor.sizes()), shape_text(spec.shape));
    }
    if (!tensor.is_floating_point())
      throw input_error("{}: tensor {} holds whole numbers, not weights", where, spec.name);
    matched.emplace_back(spec.name, tensor.to(at::kFloat).contiguous());
    require_numbers(spec.name, matched.back().second, where);
  }
  leave_out_no_weights(left, where);
  for (const auto& [name, tensor] : left) unknown.push_back(name);
  if (!missing.empty()) {
    throw input_error("{} lacks tensors of the model: {}{}: is the model's JSON the right one?", where, listed(missing),
                      unknown.empty() ? "" : "; unknown are " + listed(unknown));
  }
  if (!unknown.empty()) {
    throw input_error("{} has tensors that the model has not: {}: is the model's JSON the right one?", where,
                      listed(unknown));
  }
  return matched;
}

}  // namespace clip_hpc
