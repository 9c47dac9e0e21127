// One JSON object of a model file: reads the keys that are known and complains about the rest.
#pragma once

#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

class ModelSection {
 public:
  ModelSection(const Json& json, std::string where);  // where: "ViT-B-32: vision_cfg"; throws input unless an object
  // Keeps `field` where the key is absent. Throws input, naming key and value, where it has another type.
  template <class T>
  void read(const char* key, T& field) {
    known(key);
    if (!json_.contains(key)) return;
    try {
      field = json_.at(key).get<T>();
    } catch (const Json::exception&) {
      wrong_type(key);
    }
  }
  void known(const char* key) { known_.emplace_back(key); }  // a key that says nothing to this build
  void finish() const;                                       // throws input at the first key that is not known

 private:
  [[noreturn]] void wrong_type(const char* key) const;

  const Json& json_;
  std::string where_;
  std::vector<std::string> known_;
};

// Throws input, "model NAME: what", unless `fine`.
void require(bool fine, const std::string& model, const std::string& what);

}  // namespace clip_hpc
