#include "clip_hpc/checkpoint/formats/timm_trunk.hpp"

#include <algorithm>
#include <string_view>

namespace clip_hpc {
namespace {

// What the first tensors of the trunks that this build has are called.
constexpr std::string_view kBeginnings[] = {"blocks.", "stem.",        "stages.",  "layers.",
                                            "layer1.", "patch_embed.", "cls_token"};

bool reads(const WeightSource& source) {
  return std::ranges::any_of(source.names, [](const std::string& name) {
    return std::ranges::any_of(kBeginnings, [&](std::string_view beginning) { return name.starts_with(beginning); });
  });
}

NamedTensors named(NamedTensors theirs, const std::vector<NamedShape>&) {
  for (auto& [name, tensor] : theirs) name.insert(0, "visual.trunk.");
  return theirs;
}

}  // namespace

WeightFormat timm_trunk_format() {
  return {"timm_trunk", "an image tower of timm", reads, [](const WeightSource&) { return SourceFacts{}; }, named,
          nullptr};
}

}  // namespace clip_hpc
