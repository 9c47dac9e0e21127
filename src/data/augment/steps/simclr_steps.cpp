#include "data/augment/steps/simclr_steps.hpp"

#include <algorithm>
#include <array>

namespace clip_hpc {

// torchvision's ColorJitter: its four parts in random order.
void draw_jitter(const AugmentStep& step, int /*side*/, RandomStream& random, OperationCalls& calls) {
  static const std::array kParts{&operation_kind("brightness"), &operation_kind("contrast"), &operation_kind("color"),
                                 &operation_kind("hue")};
  constexpr std::size_t kHue = 3;
  std::array<std::size_t, 4> order{0, 1, 2, 3};
  for (std::size_t i = order.size() - 1; i > 0; --i) {
    std::swap(order[i], order[random.below(static_cast<std::uint32_t>(i + 1))]);
  }
  for (const std::size_t part : order) {
    const double value = part == kHue ? random.uniform(-step.hue, step.hue)
                                      : random.uniform(std::max(0.0, 1 - step.jitter), 1 + step.jitter);
    calls.push_back({.kind = kParts[part], .value = value});
  }
}

void draw_grey(const AugmentStep& /*step*/, int /*side*/, RandomStream& /*random*/, OperationCalls& calls) {
  static const OperationKind& kGrey = operation_kind("grey");
  calls.push_back({.kind = &kGrey});
}

void draw_blur(const AugmentStep& /*step*/, int /*side*/, RandomStream& random, OperationCalls& calls) {
  static const OperationKind& kBlur = operation_kind("blur");
  calls.push_back({.kind = &kBlur, .value = random.uniform(0.1, 2.0)});
}

}  // namespace clip_hpc
