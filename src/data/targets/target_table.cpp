#include <array>

#include "clip_hpc/data/targets/clip_benchmark_target.hpp"
#include "clip_hpc/data/targets/target.hpp"

namespace clip_hpc {

std::span<const TargetKind> target_kinds() {
  static constexpr std::array kKinds = std::to_array<TargetKind>({
      {"clip_benchmark", "the way back: a packed set as a folder that CLIP_benchmark evaluates; a shard becomes a tar",
       declare_clip_benchmark_target},
  });
  return kKinds;
}

}  // namespace clip_hpc
