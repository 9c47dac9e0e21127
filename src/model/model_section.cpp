#include "model/model_section.hpp"

#include <algorithm>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

ModelSection::ModelSection(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
  if (!json.is_object()) throw input_error("{}: expected a JSON object", where_);
}

void ModelSection::wrong_type(const char* key) const {
  throw input_error("{}: {} has the wrong type: {}", where_, key, json_.at(key).dump());
}

void ModelSection::finish() const {
  for (const auto& [key, value] : json_.items()) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
      throw input_error("{}: key \"{}\" is not supported by this build (nearest known: {})", where_, key,
                        nearest_word(key, known_));
    }
  }
}

void require(bool fine, const std::string& model, const std::string& what) {
  if (!fine) throw input_error("model {}: {}", model, what);
}

}  // namespace clip_hpc
