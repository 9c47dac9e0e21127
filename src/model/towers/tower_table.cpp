#include <array>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/model/towers/tower.hpp"

namespace clip_hpc {

extern const ImageTowerKind kVit, kTimmVit, kConvNext, kMixer, kSwin, kResNet, kClipResNet;
extern const TextTowerKind kTextTransformer;

namespace {

constexpr std::array kImageTowers{&kVit, &kTimmVit, &kConvNext, &kMixer, &kSwin, &kResNet, &kClipResNet};
constexpr std::array kTextTowers{&kTextTransformer};

template <class Kind>
const Kind& row_for(std::span<const Kind* const> rows, const Json& section, const std::string& where) {
  std::string known;
  for (const Kind* kind : rows) {
    if (kind->reads(section)) return *kind;
    known += fmt::format("\n  {}: {}", kind->name, kind->help);
  }
  throw input_error("{} describes no tower of this build, which knows:{}", where, known);
}

}  // namespace

std::span<const ImageTowerKind* const> image_towers() { return kImageTowers; }
std::span<const TextTowerKind* const> text_towers() { return kTextTowers; }

const ImageTowerKind& image_tower_of(const Json& vision_cfg, const std::string& model) {
  return row_for(image_towers(), vision_cfg, model + ": vision_cfg");
}

const TextTowerKind& text_tower_of(const Json& text_cfg, const std::string& model) {
  return row_for(text_towers(), text_cfg, model + ": text_cfg");
}

}  // namespace clip_hpc
