// Which operations a view gets: steps draw calls from the view's random stream, before a pixel is touched. What is
// drawn depends on the stream and the side alone.
#pragma once

#include <span>
#include <vector>

#include "clip_hpc/base/random.hpp"
#include "clip_hpc/data/augment/operation.hpp"

namespace clip_hpc {

using OperationCalls = std::vector<OperationCall>;

struct AugmentStep;
using DrawStep = void (*)(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls);

struct AugmentStep {
  DrawStep draw = nullptr;
  double probability = 1;
  double jitter = 0, hue = 0;  // brightness, contrast and saturation by 1 +- jitter; hue by +- turns
  int operations = 0;          // N of a RandAugment
  double magnitude = 0;        // its M
  double magnitude_most = 0;   // end of the scale of M; 0 for a step without N and M
  bool mended = false;         // big_vision's: without the two defects of its code
  bool can_be_mended = false;
  bool in_bins = false;  // M is the number of a bin: whole
};

// What a user chooses of a view's steps.
struct AugmentOptions {
  int operations = 0;     // 0: the view's own number
  double magnitude = -1;  // below 0: the view's own
  bool mended = false;
};

void draw_steps(std::span<const AugmentStep> steps, int side, RandomStream& random, OperationCalls& calls);
void apply_steps(std::span<const AugmentStep> steps, const PixelPlanes& image, RandomStream& random);

}  // namespace clip_hpc
