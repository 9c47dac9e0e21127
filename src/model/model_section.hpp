// One JSON object of a model file: reads the keys that are known and complains about the rest.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

class ModelSection {
 public:
  ModelSection(const Json& json, std::string where);  // where: "ViT-B-32: vision_cfg"; throws input unless an object
  // Each keeps `field` where the key is absent, and throws input, naming key and value, for one of another type.
  void read(const char* key, std::int64_t& field);  // 32 or 32.0, not 32.9
  void read(const char* key, double& field);
  void read(const char* key, bool& field);
  void read(const char* key, std::string& field);
  void read(const char* key, std::array<double, 3>& field);  // one number for all three, too
  void read(const char* key, std::vector<std::int64_t>& field);
  void read_side(const char* key, std::int64_t& field);  // of a square: 32 or [32, 32]

  // A key of open_clip that this build has no code for, at a value at which it does nothing: null, or one of `values`.
  void read_unused(const char* key, std::initializer_list<Json> values = {});
  void read_unused(std::initializer_list<const char*> keys, const Json& value);
  void known(std::initializer_list<const char*> keys);  // keys that say nothing to this build, whatever they hold
  void finish() const;                                  // throws input at the first key that is not known

  bool is_null(const char* key) const;  // whether it is there and says null
  // The value of a key that is there and not null, or nullptr.
  const Json* find(const char* key) const;
  [[noreturn]] void wrong(const char* key, const std::string& expected) const;

 private:
  const Json& json_;
  std::string where_;
  std::vector<std::string> known_;
};

// Throws input, "model NAME: KEY = VALUE must be 1 to …", where a size is none.
void require_sizes(const std::string& model, std::initializer_list<std::pair<const char*, std::int64_t>> sizes);

// The same where a block's MLP would have no width.
void require_mlp_ratio(const std::string& model, const char* section, double ratio, std::int64_t width);

// What open_clip lets both of its transformers vary in their blocks: ls_init_value, norm_kwargs, act_kwargs.
struct BlockStyle {
  std::optional<double> layer_scale;  // what LayerScale begins with
  double norm_eps = 1e-5;
  Gelu activation = Gelu::exact;
};
// Other keys of the blocks must be at their defaults.
BlockStyle read_block_style(ModelSection& section, const std::string& model, bool quick_gelu);
void write_block_style(const BlockStyle& style, Json& json);

// Of a tower whose section has patch_dropout, in a line for who trains it; empty for 0.
std::string patch_dropout_note(double share);

// Throws input, "model NAME: what", unless `fine`.
void require(bool fine, const std::string& model, const std::string& what);

}  // namespace clip_hpc
