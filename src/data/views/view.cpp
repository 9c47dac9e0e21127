#include "clip_hpc/data/views/view.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/text.hpp"

namespace clip_hpc {
namespace {

// Of a row of the table: nothing where it does what open_clip has no words for.
std::optional<TestTransform> test_transform_of(const ViewSpec& spec) {
  if (spec.kept_side != 1) return std::nullopt;
  return TestTransform{spec.mode, spec.filter, spec.fill};
}

// "longest-bicubic-fill128"
std::optional<TestTransform> parse_transform(const std::string& name) {
  const std::vector<std::string_view> parts = split_text(name, '-');
  if (parts.size() < 2 || parts.size() > 3) return std::nullopt;
  TestTransform transform;
  try {
    transform.mode = parse_resize_mode(std::string(parts[0]));
    transform.filter = parse_filter(std::string(parts[1]));
  } catch (const Error&) {
    return std::nullopt;
  }
  if (parts.size() == 3) {
    constexpr std::string_view kFill = "fill";
    if (!parts[2].starts_with(kFill)) return std::nullopt;
    const std::string_view digits = parts[2].substr(kFill.size());
    const auto [end, problem] = std::from_chars(digits.data(), digits.data() + digits.size(), transform.fill);
    if (problem != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  }
  return transform;
}

std::string help_of_tests() {
  std::string text;
  for (const ViewKind& kind : view_kinds()) {
    if (kind.use == ViewUse::test) text += fmt::format("{}`{}` ({})", text.empty() ? "" : ", ", kind.name, kind.help);
  }
  return text;
}

void choose(AugmentStep& step, const std::string& view, const AugmentOptions& options) {
  step.mended = step.can_be_mended && options.mended;
  if (step.magnitude_most == 0) return;
  if (options.operations > 0) step.operations = options.operations;
  if (options.magnitude >= 0) step.magnitude = options.magnitude;
  if (step.magnitude > step.magnitude_most) {
    throw input_error("strategy.augment_magnitude = {} is beyond the scale of {}: use 0 to {}", step.magnitude, view,
                      step.magnitude_most);
  }
  if (step.in_bins && step.magnitude != std::floor(step.magnitude)) {
    throw input_error("strategy.augment_magnitude = {}: {} counts bins, use a whole number of 0 to {}", step.magnitude,
                      view, step.magnitude_most);
  }
}

}  // namespace

std::vector<std::string> view_names(ViewUse use) {
  std::vector<std::string> names;
  for (const ViewKind& kind : view_kinds()) {
    if (use == ViewUse::any || kind.use == use) names.emplace_back(kind.name);
  }
  return names;
}

std::string test_view_name(const TestTransform& transform) {
  for (const ViewKind& kind : view_kinds()) {
    if (kind.use == ViewUse::test && test_transform_of(kind.spec) == transform) return kind.name;
  }
  return fmt::format("{}-{}{}", name_of(transform.mode), name_of(transform.filter),
                     transform.fill > 0 ? fmt::format("-fill{}", transform.fill) : "");
}

std::optional<TestTransform> test_transform_of(const std::string& view) {
  for (const ViewKind& kind : view_kinds()) {
    if (view == kind.name) return kind.use == ViewUse::test ? test_transform_of(kind.spec) : std::nullopt;
  }
  return parse_transform(view);
}

Check<std::string> is_test_view() {
  std::vector<std::string> names{kModelView};
  std::ranges::copy(view_names(ViewUse::test), std::back_inserter(names));
  for (const ResizeMode mode : {ResizeMode::shortest, ResizeMode::longest, ResizeMode::squash}) {
    names.push_back(test_view_name({mode, Filter::bilinear}));
  }
  const auto test = [names](const std::string& name, const std::string& view) {
    const auto transform = parse_transform(view);
    if (!transform || test_view_name(*transform) != view) one_of(names)(name, view);  // one name for one view
  };
  return {test, fmt::format("`{}`", fmt::join(names, "`, `"))};
}

std::string test_views_help() {
  return fmt::format(
      "`{}` (as the model's `preprocess_cfg` says; `resize` where it says nothing), {}, or another transform of "
      "open_clip by its name, `shortest-bilinear` or `longest-bicubic-fill128`",
      kModelView, help_of_tests());
}

ViewSpec parse_view(const std::string& name, int size) {
  if (size < 1 || size > 16384) throw input_error("a view of {} pixels a side is not possible: use 1 to 16384", size);
  for (const ViewKind& kind : view_kinds()) {
    if (kind.name != name) continue;
    ViewSpec spec = kind.spec;
    spec.name = name;
    spec.size = size;
    return spec;
  }
  if (const auto transform = parse_transform(name)) {
    const auto test = std::ranges::find(view_kinds(), ViewUse::test, &ViewKind::use);
    return {.name = name,
            .make = test->spec.make,
            .size = size,
            .mode = transform->mode,
            .filter = transform->filter,
            .fill = transform->fill};
  }
  throw input_error("view \"{}\" is unknown: use one of {}", name, fmt::join(view_names(), ", "));
}

std::vector<ViewSpec> parse_views(std::span<const std::string> names, int size, const AugmentOptions& options) {
  std::vector<ViewSpec> views;
  bool has_number = false, has_defects = false;
  for (const std::string& name : names) {
    views.push_back(parse_view(name, size));
    for (AugmentStep& step : views.back().steps) {
      has_number = has_number || step.magnitude_most > 0;
      has_defects = has_defects || step.can_be_mended;
      choose(step, name, options);
    }
  }
  if (!has_number && (options.operations > 0 || options.magnitude >= 0)) {
    throw input_error(
        "{} has no RandAugment whose operations and magnitude could be chosen: leave strategy.augment_ops and "
        "strategy.augment_magnitude out, or use strategy.augmentation = rand",
        fmt::join(names, ", "));
  }
  if (!has_defects && options.mended) {
    throw input_error("{} has nothing to mend: leave strategy.augment_mended out, or use strategy.augmentation = rand",
                      fmt::join(names, ", "));
  }
  return views;
}

ViewSpec parse_view(const std::string& name, int size, const AugmentOptions& options) {
  return parse_views(std::span(&name, 1), size, options).front();
}

void apply_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out) {
  if (out.size() != spec.bytes()) throw internal_error("a view of {} bytes into {} bytes", spec.bytes(), out.size());
  if (image.width < 1 || image.height < 1) throw input_error("cannot make a view of an empty image");
  spec.make(image, spec, random, out);
  if (!spec.steps.empty()) apply_steps(spec.steps, {out.data(), spec.size, spec.size, spec.channels}, random);
}

}  // namespace clip_hpc
