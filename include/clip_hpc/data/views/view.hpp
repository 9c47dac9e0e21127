// From an image to one view of the model's input size, on the CPU, in bytes. Random views draw from a RandomStream that
// the caller addresses by (seed, row of the global batch, view): the result does not depend on threads or ranks.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/random.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/data/augment/augment_step.hpp"
#include "clip_hpc/data/image/image.hpp"
#include "clip_hpc/data/image/resize.hpp"

namespace clip_hpc {

struct ViewSpec;
using MakeView = void (*)(const ImageView& image, const ViewSpec& spec, RandomStream& random,
                          std::span<std::uint8_t> out);

struct ViewSpec {
  std::string name{};
  MakeView make = nullptr;  // of the view's family
  int size = 224;
  int channels = 3;  // of the output: 3, or 1 (RGB becomes luma)
  ResizeMode mode = ResizeMode::squash;
  Filter filter = Filter::bicubic;
  std::uint8_t fill = 0;  // eval: of the rims of mode longest, in all channels
  double kept_side = 1;   // eval: fraction of the resized side that the centre crop keeps
  // crop: fraction of the area, width / height, horizontal flip. drawing: its scale, its width / height.
  double scale_min = 1, scale_max = 1, aspect_min = 1, aspect_max = 1, flip_probability = 0;
  // drawing, on a white background
  double rotation_deg = 0, shift = 0;  // at most; shift as a fraction of the side
  double gain_min = 1, gain_max = 1;   // multiplies the distance from white
  double grey_probability = 0;
  std::vector<AugmentStep> steps{};  // what is done with the pixels of the view afterwards

  std::size_t bytes() const {
    return static_cast<std::size_t>(channels) * static_cast<std::size_t>(size) * static_cast<std::size_t>(size);
  }
};

// What a view is for: the choices of eval.view, those of strategy.augmentation, or another part of the program.
enum class ViewUse { any, test, training, inside };

struct ViewKind {
  const char* name;
  const char* help;
  ViewUse use;
  ViewSpec spec;  // without name and size
};
std::span<const ViewKind> view_kinds();

std::vector<std::string> view_names(ViewUse use = ViewUse::any);
// A name of the table, or one of test_view_name. Throws input for an unknown name.
ViewSpec parse_view(const std::string& name, int size);
// The same with what a user chose of their steps. Throws input where no view has a step that the choice is about.
std::vector<ViewSpec> parse_views(std::span<const std::string> names, int size, const AugmentOptions& options);
ViewSpec parse_view(const std::string& name, int size, const AugmentOptions& options);

// What open_clip's preprocess_cfg says of a test image. Its defaults are that project's.
struct TestTransform {
  ResizeMode mode = ResizeMode::shortest;
  Filter filter = Filter::bicubic;
  std::uint8_t fill = 0;
  friend bool operator==(const TestTransform&, const TestTransform&) = default;
};
// The view that does this: a row of the table, else "MODE-FILTER" and, with another colour than black, "-fillN". And
// back, for a view that open_clip can do: nothing for others.
std::string test_view_name(const TestTransform& transform);
std::optional<TestTransform> test_transform_of(const std::string& view);

inline constexpr const char* kModelView = "model";  // as a choice: the model's own preprocessing
// kModelView, a view of the table for tests, or a name that test_view_name gives.
Check<std::string> is_test_view();
std::string test_views_help();

// out: [channels, size, size], exactly spec.bytes() long.
void apply_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out);

}  // namespace clip_hpc
