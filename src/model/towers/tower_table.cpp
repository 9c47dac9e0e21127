#include <array>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/model/towers/tower.hpp"

namespace clip_hpc {

std::int64_t ImageTower::patches_at(std::int64_t size) const {
  if (size == image_size() || patches() == 0) return patches();
  const std::int64_t grid = size / size_step();
  return grid * grid;
}

double ImageTower::macs_at(std::int64_t size, std::int64_t kept) const {
  const double side = static_cast<double>(size) / static_cast<double>(image_size());
  return patches() > 0 ? cost().macs(static_cast<double>(kept)) : cost().fixed * side * side;
}

extern const ImageTowerKind kVit, kTimmVit, kConvNext, kMixer, kSwin, kResNet, kClipResNet;
extern const TextTowerKind kTextTransformer;

namespace {

constexpr std::array kImageTowers{&kVit, &kTimmVit, &kConvNext, &kMixer, &kSwin, &kResNet, &kClipResNet};
constexpr std::array kTextTowers{&kTextTransformer};

// `key`: what names a tower of another project; a section without it is read by a row, or is at fault itself.
template <class Kind>
const Kind& row_for(std::span<const Kind* const> rows, const Json& section, const std::string& where, const char* key) {
  std::string known;
  for (const Kind* kind : rows) {
    if (kind->reads(section)) return *kind;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", kind->name);
  }
  const Json value = section.is_object() ? section.value(key, Json()) : Json();
  throw input_error("{}: {} = {} is no tower of this build, which knows {} (docs/extending.md)", where, key,
                    value.dump(), known);
}

}  // namespace

std::span<const ImageTowerKind* const> image_towers() { return kImageTowers; }
std::span<const TextTowerKind* const> text_towers() { return kTextTowers; }

const ImageTowerKind& image_tower_of(const Json& vision_cfg, const std::string& model) {
  return row_for(image_towers(), vision_cfg, model + ": vision_cfg", "timm_model_name");
}

const TextTowerKind& text_tower_of(const Json& text_cfg, const std::string& model) {
  return row_for(text_towers(), text_cfg, model + ": text_cfg", "hf_model_name");
}

}  // namespace clip_hpc
