#include "clip_hpc/data/augment/augment_step.hpp"

namespace clip_hpc {

void draw_steps(std::span<const AugmentStep> steps, int side, RandomStream& random, OperationCalls& calls) {
  for (const AugmentStep& step : steps) {
    if (step.probability < 1 && !random.chance(step.probability)) continue;
    step.draw(step, side, random, calls);
  }
}

void apply_steps(std::span<const AugmentStep> steps, const PixelPlanes& image, RandomStream& random) {
  OperationCalls calls;
  draw_steps(steps, image.width, random, calls);
  OperationScratch scratch;
  for (const OperationCall& call : calls) apply_operation(image, call, scratch);
}

}  // namespace clip_hpc
