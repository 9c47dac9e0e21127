#include "data/augment/steps/rand_bins.hpp"

#include <array>
#include <cmath>

namespace clip_hpc {
namespace {

enum class Bins { none, from_zero, of_side, whole, factor, posterize, solarize };

struct BinRow {
  const char* name;
  Bins bins = Bins::none;
  double most = 0;  // of the last bin; posterize: bits it drops
};

constexpr double kShift = 150.0 / 331.0;  // of the side

constexpr auto kRand = std::to_array<BinRow>({
    {"identity"},
    {"shear_x", Bins::from_zero, 0.3},
    {"shear_y", Bins::from_zero, 0.3},
    {"translate_x", Bins::of_side, kShift},
    {"translate_y", Bins::of_side, kShift},
    {"rotate", Bins::from_zero, 30},
    {"brightness", Bins::factor, 0.9},
    {"color", Bins::factor, 0.9},
    {"contrast", Bins::factor, 0.9},
    {"sharpness", Bins::factor, 0.9},
    {"posterize", Bins::posterize, 4},
    {"solarize", Bins::solarize, 255},
    {"autocontrast"},
    {"equalize"},
    {"invert"},  // AutoAugment's alone
});
constexpr std::uint32_t kRandChoices = kRand.size() - 1;

constexpr auto kTrivial = std::to_array<BinRow>({
    {"identity"},
    {"shear_x", Bins::from_zero, 0.99},
    {"shear_y", Bins::from_zero, 0.99},
    {"translate_x", Bins::whole, 32},
    {"translate_y", Bins::whole, 32},
    {"rotate", Bins::from_zero, 135},
    {"brightness", Bins::factor, 0.99},
    {"color", Bins::factor, 0.99},
    {"contrast", Bins::factor, 0.99},
    {"sharpness", Bins::factor, 0.99},
    {"posterize", Bins::posterize, 6},
    {"solarize", Bins::solarize, 255},
    {"autocontrast"},
    {"equalize"},
});

template <std::size_t n>
std::array<const OperationKind*, n> kinds_of(const std::array<BinRow, n>& rows) {
  std::array<const OperationKind*, n> kinds{};
  for (std::size_t i = 0; i < n; ++i) kinds[i] = &operation_kind(rows[i].name);
  return kinds;
}

// torch.linspace: single precision, counted from the nearer end
double linspace(double from, double to, int bins, int bin) {
  const auto first = static_cast<float>(from), last = static_cast<float>(to);
  const float step = (last - first) / static_cast<float>(bins - 1);
  if (bin < bins / 2) return static_cast<double>(first + step * static_cast<float>(bin));
  return static_cast<double>(last - step * static_cast<float>(bins - bin - 1));
}

double value_of(const BinRow& row, int bins, int bin, int side, bool negative) {
  const auto signed_value = [negative](double value) { return negative ? -value : value; };
  switch (row.bins) {
    case Bins::none:
      return 0;
    case Bins::from_zero:
      return signed_value(linspace(0, row.most, bins, bin));
    case Bins::of_side:
      return signed_value(static_cast<int>(linspace(0, row.most * side, bins, bin)));
    case Bins::whole:
      return signed_value(static_cast<int>(linspace(0, row.most, bins, bin)));
    case Bins::factor:
      return 1 + signed_value(linspace(0, row.most, bins, bin));
    case Bins::posterize:
      return 8 - std::nearbyint(bin / ((bins - 1) / row.most));
    case Bins::solarize:
      return linspace(row.most, 0, bins, bin);
  }
  return 0;
}

bool has_sign(const BinRow& row) {
  return row.bins == Bins::from_zero || row.bins == Bins::of_side || row.bins == Bins::whole ||
         row.bins == Bins::factor;
}

struct PolicyPart {
  int choice;  // in kRand
  double probability;
  int bin = 0;  // of 10
};
struct SubPolicy {
  PolicyPart first, second;
};

constexpr int kShearX = 1, kRotate = 5, kColor = 7, kContrast = 8, kSharpness = 9, kPosterize = 10, kSolarize = 11,
              kAutoContrast = 12, kEqualize = 13, kInvert = 14;

// Cubuk et al. 2019, table 9; torchvision's AutoAugmentPolicy.IMAGENET
constexpr auto kImageNet = std::to_array<SubPolicy>({
    {{kPosterize, 0.4, 8}, {kRotate, 0.6, 9}}, {{kSolarize, 0.6, 5}, {kAutoContrast, 0.6}},
    {{kEqualize, 0.8}, {kEqualize, 0.6}},      {{kPosterize, 0.6, 7}, {kPosterize, 0.6, 6}},
    {{kEqualize, 0.4}, {kSolarize, 0.2, 4}},   {{kEqualize, 0.4}, {kRotate, 0.8, 8}},
    {{kSolarize, 0.6, 3}, {kEqualize, 0.6}},   {{kPosterize, 0.8, 5}, {kEqualize, 1.0}},
    {{kRotate, 0.2, 3}, {kSolarize, 0.6, 8}},  {{kEqualize, 0.6}, {kPosterize, 0.4, 6}},
    {{kRotate, 0.8, 8}, {kColor, 0.4, 0}},     {{kRotate, 0.4, 9}, {kEqualize, 0.6}},
    {{kEqualize, 0.0}, {kEqualize, 0.8}},      {{kInvert, 0.6}, {kEqualize, 1.0}},
    {{kColor, 0.6, 4}, {kContrast, 1.0, 8}},   {{kRotate, 0.8, 8}, {kColor, 1.0, 2}},
    {{kColor, 0.8, 8}, {kSolarize, 0.8, 7}},   {{kSharpness, 0.4, 7}, {kInvert, 0.6}},
    {{kShearX, 0.6, 5}, {kEqualize, 1.0}},     {{kColor, 0.4, 0}, {kEqualize, 0.6}},
    {{kEqualize, 0.4}, {kSolarize, 0.2, 4}},   {{kSolarize, 0.6, 5}, {kAutoContrast, 0.6}},
    {{kInvert, 0.6}, {kEqualize, 1.0}},        {{kColor, 0.6, 4}, {kContrast, 1.0, 8}},
    {{kEqualize, 0.8}, {kEqualize, 0.6}},
});

}  // namespace

void draw_rand_torchvision(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls) {
  static const auto kKinds = kinds_of(kRand);
  for (int i = 0; i < step.operations; ++i) {
    const std::size_t choice = random.below(kRandChoices);
    const BinRow& row = kRand[choice];
    const bool negative = has_sign(row) && random.chance(0.5);
    calls.push_back(
        {.kind = kKinds[choice], .value = value_of(row, kRandBins, static_cast<int>(step.magnitude), side, negative)});
  }
}

void draw_trivial(const AugmentStep& /*step*/, int side, RandomStream& random, OperationCalls& calls) {
  static const auto kKinds = kinds_of(kTrivial);
  const std::size_t choice = random.below(static_cast<std::uint32_t>(kTrivial.size()));
  const BinRow& row = kTrivial[choice];
  const int bin = static_cast<int>(random.below(kRandBins));
  const bool negative = has_sign(row) && random.chance(0.5);
  calls.push_back({.kind = kKinds[choice], .value = value_of(row, kRandBins, bin, side, negative)});
}

void draw_auto_imagenet(const AugmentStep& /*step*/, int side, RandomStream& random, OperationCalls& calls) {
  static const auto kKinds = kinds_of(kRand);
  constexpr int kAutoBins = 10;
  const SubPolicy& policy = kImageNet[random.below(static_cast<std::uint32_t>(kImageNet.size()))];
  for (const PolicyPart& part : {policy.first, policy.second}) {
    const bool negative = random.chance(0.5);
    if (!random.chance(part.probability)) continue;
    const auto choice = static_cast<std::size_t>(part.choice);
    calls.push_back({.kind = kKinds[choice], .value = value_of(kRand[choice], kAutoBins, part.bin, side, negative)});
  }
}

}  // namespace clip_hpc
