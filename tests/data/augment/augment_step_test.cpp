#include "clip_hpc/data/augment/augment_step.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "clip_hpc/data/views/view.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

OperationCalls drawn(const ViewSpec& spec, std::uint64_t position) {
  RandomStream random(3, Purpose::augment, position);
  OperationCalls calls;
  draw_steps(spec.steps, spec.size, random, calls);
  return calls;
}

std::map<std::string, int> counts_of(const ViewSpec& spec, std::uint64_t samples) {
  std::map<std::string, int> counts;
  for (std::uint64_t i = 0; i < samples; ++i) {
    for (const OperationCall& call : drawn(spec, i)) ++counts[call.kind->name];
  }
  return counts;
}

Image picture() {
  Image image{60, 48, 3, {}};
  for (int i = 0; i < 60 * 48 * 3; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * i / 31 + 7 * i));
  return image;
}

// The view is the crop, and then its calls: in that order, from one stream.
TEST(AugmentStep, AViewIsItsCropAndThenItsCalls) {
  const Image image = picture();
  for (const std::string& name : view_names(ViewUse::training)) {
    const ViewSpec spec = parse_view(name, 24);
    if (spec.steps.empty()) continue;
    ViewSpec crop = spec;
    crop.steps.clear();
    int changed = 0;
    for (std::uint64_t i = 0; i < 40; ++i) {
      std::vector<std::uint8_t> expected(spec.bytes()), got(spec.bytes());
      RandomStream random(3, Purpose::augment, i), again(3, Purpose::augment, i);
      apply_view(image, crop, random, expected);
      const std::vector<std::uint8_t> cropped = expected;
      OperationCalls calls;
      draw_steps(spec.steps, 24, random, calls);
      OperationScratch scratch;
      for (const OperationCall& call : calls) apply_operation({expected.data(), 24, 24, 3}, call, scratch);
      apply_view(image, spec, again, got);
      ASSERT_EQ(got, expected) << name;
      changed += got != cropped ? 1 : 0;
    }
    EXPECT_GT(changed, 15) << name;
  }
}

TEST(AugmentStep, SimClrDrawsAtTheRatesOfItsAuthors) {
  const auto counts = counts_of(parse_view("simclr", 224), 4000);
  for (const char* part : {"brightness", "contrast", "color", "hue"}) EXPECT_NEAR(counts.at(part), 3200, 100) << part;
  EXPECT_NEAR(counts.at("grey"), 800, 100);
  EXPECT_NEAR(counts.at("blur"), 2000, 130);
  std::map<std::string, int> first;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const OperationCalls calls = drawn(parse_view("simclr", 224), i);
    if (!calls.empty()) ++first[calls[0].kind->name];
    for (const OperationCall& call : calls) {
      const std::string name = call.kind->name;
      const bool fits = name == "hue"    ? std::abs(call.value) <= 0.1
                        : name == "blur" ? call.value >= 0.1 && call.value <= 2
                        : name == "grey" ? true
                                         : call.value >= 0.6 && call.value <= 1.4;
      EXPECT_TRUE(fits) << name << " " << call.value;
    }
  }
  for (const char* part : {"brightness", "contrast", "color", "hue"}) EXPECT_NEAR(first[part], 800, 100) << part;
}

// Where RandAugment stands: behind the jitter in the code, before it in the paper.
TEST(AugmentStep, StackedRandAugmentHasTwoOrders) {
  for (const char* name : {"stacked_rand", "stacked_rand_paper"}) {
    for (std::uint64_t i = 0; i < 200; ++i) {
      std::vector<std::string> names;
      for (const OperationCall& call : drawn(parse_view(name, 224), i)) names.emplace_back(call.kind->name);
      const auto hue = std::ranges::find(names, "hue");
      if (hue == names.end()) continue;
      const auto place = hue - names.begin();
      if (std::string(name) == "stacked_rand") {
        EXPECT_LT(place, 4);  // two of RandAugment follow, and perhaps grey and blur
        EXPECT_GE(std::ssize(names), 6);
      } else {
        EXPECT_GE(place, 2);
        EXPECT_LT(place, 6);
      }
    }
  }
}

double value_of(const AugmentOptions& options, const std::string& view, const std::string& operation) {
  const ViewSpec spec = parse_view(view, 224, options);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    for (const OperationCall& call : drawn(spec, i)) {
      if (call.kind->name == operation) return call.value;
    }
  }
  return -1e9;
}

// big_vision's code inverts all pixels at M = 10, and takes the number of pixels for their mean.
TEST(AugmentStep, TheDefectsOfBigVisionCanBeMended) {
  EXPECT_EQ(value_of({}, "rand", "solarize"), 0);
  EXPECT_EQ(value_of({.mended = true}, "rand", "solarize"), 256);
  EXPECT_EQ(value_of({.magnitude = 5}, "rand", "solarize"), 128);
  EXPECT_NEAR(value_of({}, "rand", "tf_contrast_of_count"), 1.9, 1e-12);
  EXPECT_EQ(value_of({}, "rand", "tf_contrast"), -1e9);
  EXPECT_NEAR(value_of({.mended = true}, "rand", "tf_contrast"), 1.9, 1e-12);
  EXPECT_NEAR(value_of({.mended = true}, "stacked_rand", "tf_contrast"), 1.9, 1e-12);
}

TEST(AugmentStep, NumberAndMagnitudeAreTheUsers) {
  for (const auto& [name, applied] : {std::pair{"rand", 4.0}, {"rand_torchvision", 4.0}, {"rand_timm", 2.0}}) {
    std::size_t calls = 0;
    for (std::uint64_t i = 0; i < 2000; ++i) calls += drawn(parse_view(name, 224, {.operations = 4}), i).size();
    EXPECT_NEAR(static_cast<double>(calls) / 2000, applied, 0.1) << name;
  }
  EXPECT_NEAR(std::abs(value_of({.magnitude = 30}, "rand_torchvision", "rotate")), 30, 1e-6);
  EXPECT_NEAR(std::abs(value_of({.magnitude = 3}, "rand_timm", "rotate")), 9, 1e-12);
  EXPECT_NEAR(std::abs(value_of({}, "rand", "tf_translate_x")), 100, 1e-12);
}

TEST(AugmentStep, ChoicesThatAViewDoesNotHaveAreRefused) {
  test::expect_error(ErrorKind::input, {"crop_flip", "strategy.augment_ops"},
                     [] { parse_view("crop_flip", 224, {.operations = 2}); });
  test::expect_error(ErrorKind::input, {"trivial", "augment_magnitude"},
                     [] { parse_view("trivial", 224, {.magnitude = 3}); });
  test::expect_error(ErrorKind::input, {"12", "rand_timm", "0 to 10"},
                     [] { parse_view("rand_timm", 224, {.magnitude = 12}); });
  test::expect_error(ErrorKind::input, {"9.5", "rand_torchvision", "whole number"},
                     [] { parse_view("rand_torchvision", 224, {.magnitude = 9.5}); });
  test::expect_error(ErrorKind::input, {"rand_torchvision", "mend"},
                     [] { parse_view("rand_torchvision", 224, {.mended = true}); });
}

}  // namespace
}  // namespace clip_hpc
