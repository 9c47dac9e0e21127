#include "model/model_section.hpp"

#include <algorithm>
#include <cmath>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kLargestSize = 1 << 20;      // of one axis: products of three fit into 64 bits
constexpr double kExactWhole = 9007199254740992.0;  // 2^53: a number of JSON up to it is one whole number

bool is_whole(const Json& value) {
  if (value.is_number_integer()) return true;
  if (!value.is_number_float()) return false;
  const auto number = value.get<double>();
  return std::abs(number) <= kExactWhole && number == std::floor(number);
}

}  // namespace

ModelSection::ModelSection(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
  if (!json.is_object()) throw input_error("{}: expected a JSON object", where_);
}

const Json* ModelSection::find(const char* key) const {
  const auto found = json_.find(key);
  return found == json_.end() || found->is_null() ? nullptr : &*found;
}

bool ModelSection::is_null(const char* key) const { return json_.contains(key) && json_.at(key).is_null(); }

void ModelSection::wrong(const char* key, const std::string& expected) const {
  throw input_error("{}: {} = {}: {} is expected", where_, key, json_.at(key).dump(), expected);
}

void ModelSection::read(const char* key, std::int64_t& field) {
  known({key});
  if (!json_.contains(key)) return;
  if (!is_whole(json_.at(key))) wrong(key, "a whole number");
  field = json_.at(key).get<std::int64_t>();
}

void ModelSection::read(const char* key, double& field) {
  known({key});
  if (!json_.contains(key)) return;
  if (!json_.at(key).is_number()) wrong(key, "a number");
  field = json_.at(key).get<double>();
}

void ModelSection::read(const char* key, bool& field) {
  known({key});
  if (!json_.contains(key)) return;
  if (!json_.at(key).is_boolean()) wrong(key, "true or false");
  field = json_.at(key).get<bool>();
}

void ModelSection::read(const char* key, std::string& field) {
  known({key});
  if (!json_.contains(key)) return;
  if (!json_.at(key).is_string()) wrong(key, "a text");
  field = json_.at(key).get<std::string>();
}

void ModelSection::read(const char* key, std::array<double, 3>& field) {
  known({key});
  const Json* const value = find(key);
  if (value == nullptr) return;
  const bool is_list = value->is_array() && value->size() == 3 &&
                       std::all_of(value->begin(), value->end(), [](const Json& one) { return one.is_number(); });
  if (!is_list && !value->is_number()) wrong(key, "a list of three numbers");
  for (std::size_t i = 0; i < 3; ++i) field[i] = (is_list ? value->at(i) : *value).get<double>();
}

void ModelSection::read(const char* key, std::vector<std::int64_t>& field) {
  known({key});
  const Json* const value = find(key);
  if (value == nullptr) return;
  if (!value->is_array() || !std::all_of(value->begin(), value->end(), is_whole)) wrong(key, "a list of whole numbers");
  field = value->get<std::vector<std::int64_t>>();
}

void ModelSection::read_side(const char* key, std::int64_t& field) {
  known({key});
  if (!json_.contains(key)) return;
  const Json& value = json_.at(key);
  const bool is_pair = value.is_array() && value.size() == 2 && is_whole(value[0]) && value[0] == value[1];
  if (!is_pair && !is_whole(value)) wrong(key, "a whole number, or two equal ones");
  field = (is_pair ? value[0] : value).get<std::int64_t>();
}

void ModelSection::read_unused(const char* key, std::initializer_list<Json> values) {
  known({key});
  const Json* const value = find(key);
  if (value == nullptr || std::find(values.begin(), values.end(), *value) != values.end()) return;
  const std::string expected = values.size() > 0 ? values.begin()->dump() : "null";
  throw input_error("{}: {} = {} is not supported by this build: only {} is", where_, key, value->dump(), expected);
}

void ModelSection::read_unused(std::initializer_list<const char*> keys, const Json& value) {
  for (const char* key : keys) read_unused(key, {value});
}

void ModelSection::known(std::initializer_list<const char*> keys) {
  known_.insert(known_.end(), keys.begin(), keys.end());
}

void ModelSection::finish() const {
  for (const auto& [key, value] : json_.items()) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      throw input_error("{}: key \"{}\" = {} is not supported by this build (nearest known: {})", where_, key,
                        value.dump(), nearest_word(key, known_));
    }
  }
}

void require_sizes(const std::string& model, std::initializer_list<std::pair<const char*, std::int64_t>> sizes) {
  for (const auto& [key, value] : sizes) {
    require(value > 0 && value <= kLargestSize, model,
            fmt::format("{} = {} must be 1 to {}", key, value, kLargestSize));
  }
}

void require_mlp_ratio(const std::string& model, const char* section, double ratio, std::int64_t width) {
  const double mlp_width = ratio * static_cast<double>(width);
  require(mlp_width >= 1 && mlp_width <= static_cast<double>(kLargestSize), model,
          fmt::format("{}.mlp_ratio = {} gives an MLP of {} channels: 1 to {} are possible", section, ratio, mlp_width,
                      kLargestSize));
}

BlockStyle read_block_style(ModelSection& section, const std::string& model, bool quick_gelu) {
  BlockStyle style;
  if (section.find("ls_init_value") != nullptr) section.read("ls_init_value", style.layer_scale.emplace());
  if (const Json* const norm = section.find("norm_kwargs")) {
    ModelSection kwargs(*norm, model + ": norm_kwargs");
    kwargs.read("eps", style.norm_eps);
    kwargs.finish();
    require(style.norm_eps > 0 && style.norm_eps < 1, model, "norm_kwargs.eps must be in (0, 1)");
  }
  if (quick_gelu) style.activation = Gelu::quick;
  if (const Json* const act = section.find("act_kwargs")) {
    std::string approximate = "none";
    ModelSection kwargs(*act, model + ": act_kwargs");
    kwargs.read("approximate", approximate);
    kwargs.finish();
    require(approximate == "none" || approximate == "tanh", model, "act_kwargs.approximate must be none or tanh");
    require(approximate == "none" || !quick_gelu, model,
            "act_kwargs.approximate = tanh and quick_gelu exclude each other");
    if (approximate == "tanh") style.activation = Gelu::tanh;
  }
  section.known({"ls_init_value", "norm_kwargs", "act_kwargs"});
  section.read_unused("block_type", {"default"});
  section.read_unused({"qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc"},
                      false);
  return style;
}

void write_block_style(const BlockStyle& style, Json& json) {
  if (style.layer_scale) json["ls_init_value"] = *style.layer_scale;
  if (style.norm_eps != BlockStyle{}.norm_eps) json["norm_kwargs"] = {{"eps", style.norm_eps}};
  if (style.activation == Gelu::tanh) json["act_kwargs"] = {{"approximate", "tanh"}};
}

std::string patch_dropout_note(double share) {
  if (share == 0) return {};
  return fmt::format(
      "its patch_dropout = {} is not applied: strategy.name = flip with strategy.mask_ratio = {} leaves patches out",
      share, share);
}

void require(bool fine, const std::string& model, const std::string& what) {
  if (!fine) throw input_error("model {}: {}", model, what);
}

}  // namespace clip_hpc
