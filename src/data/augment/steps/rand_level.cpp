#include "data/augment/steps/rand_level.hpp"

#include <array>
#include <string_view>

namespace clip_hpc {
namespace {

enum class Unit { number, whole, of_side, of_224 };  // of_224: pixels at 224 a side, in proportion at other sizes

struct LevelRow {  // value = per_level * level + base, level = M / 10
  const char* name;
  double per_level = 0, base = 0;
  bool is_signed = false;
  Unit unit = Unit::number;
};

// pp/archive/autoaugment.py: distort_image_with_randaugment
constexpr auto kBigVision = std::to_array<LevelRow>({
    {"tf_autocontrast"},
    {"equalize"},
    {"invert"},
    {"tf_rotate", 30, 0, true},
    {"posterize", 4, 0, false, Unit::whole},
    {"solarize", 256, 0, false, Unit::whole},
    {"tf_color", 1.8, 0.1},
    {"tf_contrast", 1.8, 0.1},
    {"brightness", 1.8, 0.1},
    {"tf_sharpness", 1.8, 0.1},
    {"tf_shear_x", 0.3, 0, true},
    {"tf_shear_y", 0.3, 0, true},
    {"tf_translate_x", 100, 0, true, Unit::of_224},
    {"tf_translate_y", 100, 0, true, Unit::of_224},
    {"cutout", 40, 0, false, Unit::of_224},
    {"solarize_add", 110, 0, false, Unit::whole},
});

// timm/data/auto_augment.py: _RAND_TRANSFORMS
constexpr auto kTimm = std::to_array<LevelRow>({
    {"autocontrast"},
    {"equalize"},
    {"invert"},
    {"rotate", 30, 0, true},
    {"posterize", 4, 0, false, Unit::whole},
    {"solarize", 256, 0, false, Unit::whole},
    {"solarize_add", 110, 0, false, Unit::whole},
    {"color", 1.8, 0.1},
    {"contrast", 1.8, 0.1},
    {"brightness", 1.8, 0.1},
    {"sharpness", 1.8, 0.1},
    {"shear_x", 0.3, 0, true},
    {"shear_y", 0.3, 0, true},
    {"translate_x", 0.45, 0, true, Unit::of_side},
    {"translate_y", 0.45, 0, true, Unit::of_side},
});

constexpr std::uint8_t kMiddleGrey = 128;

template <std::size_t n>
std::array<const OperationKind*, n> kinds_of(const std::array<LevelRow, n>& rows) {
  std::array<const OperationKind*, n> kinds{};
  for (std::size_t i = 0; i < n; ++i) kinds[i] = &operation_kind(rows[i].name);
  return kinds;
}

double value_of(const LevelRow& row, double level, int side, RandomStream& random) {
  double value = level * row.per_level + row.base;
  if (row.unit == Unit::whole) value = static_cast<int>(value);
  if (row.unit == Unit::of_side) value *= side;
  if (row.unit == Unit::of_224) value *= side / 224.0;
  return row.is_signed && random.chance(0.5) ? -value : value;
}

}  // namespace

void draw_rand_big_vision(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls) {
  static const auto kKinds = kinds_of(kBigVision);
  static const OperationKind& kContrastOfCount = operation_kind("tf_contrast_of_count");
  for (int i = 0; i < step.operations; ++i) {
    const std::size_t choice = random.below(static_cast<std::uint32_t>(kBigVision.size()));
    const LevelRow& row = kBigVision[choice];
    OperationCall call{
        .kind = kKinds[choice], .value = value_of(row, step.magnitude / 10, side, random), .fill = kMiddleGrey};
    const std::string_view name = row.name;
    if (name == "cutout") {
      call.x = random.uniform();
      call.y = random.uniform();
    }
    if (!step.mended) {
      if (name == "tf_contrast") call.kind = &kContrastOfCount;
      // The threshold meets bytes: 256 is 0 there, and every pixel is inverted.
      if (name == "solarize" && call.value > 255) call.value -= 256;
    }
    calls.push_back(call);
  }
}

// Each with probability 1/2, through bilinear or bicubic taps.
void draw_rand_timm(const AugmentStep& step, int side, RandomStream& random, OperationCalls& calls) {
  static const auto kKinds = kinds_of(kTimm);
  for (int i = 0; i < step.operations; ++i) {
    const std::size_t choice = random.below(static_cast<std::uint32_t>(kTimm.size()));
    if (!random.chance(0.5)) continue;
    const double value = value_of(kTimm[choice], step.magnitude / 10, side, random);
    calls.push_back({.kind = kKinds[choice],
                     .value = value,
                     .fill = kMiddleGrey,
                     .sampling = random.chance(0.5) ? Sampling::bilinear : Sampling::bicubic});
  }
}

}  // namespace clip_hpc
