#include "clip_hpc/checkpoint/formats/format.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/checkpoint/formats/open_clip.hpp"
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
  for (const WeightFormat& format : weight_formats()) {
    if (format.reads(input, config_file)) return format;
  }
  throw input_error("{} is of no format that can be read: {}", input.native(),
                    fmt::join(names_of(weight_formats()), ", "));
}

NamedTensors match_weights(const NamedTensors& weights, const std::vector<NamedShape>& names,
                           const std::string& where) {
  std::map<std::string, at::Tensor> left(weights.begin(), weights.end());
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
  }
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
