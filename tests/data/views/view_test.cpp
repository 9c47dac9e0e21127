#include "clip_hpc/data/views/view.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes view_of(const Image& image, const ViewSpec& spec, std::uint64_t position = 0) {
  Bytes out(spec.bytes());
  RandomStream random(1, Purpose::test, position);
  apply_view(image, spec, random, out);
  return out;
}

Image filled(int side, int channels, std::uint8_t value) {
  return {side, side, channels, Bytes(static_cast<std::size_t>(side * side * channels), value)};
}

Image black_square(int side, int channels, int from, int to) {
  Image image = filled(side, channels, 255);
  for (int y = from; y < to; ++y) {
    for (int x = from * channels; x < to * channels; ++x) {
      image.pixels[static_cast<std::size_t>(y * side * channels + x)] = 0;
    }
  }
  return image;
}

TEST(Augment, EvalViewsArePlanesOfTheResizedImage) {
  Image image{3, 2, 3, Bytes(18)};
  std::iota(image.pixels.begin(), image.pixels.end(), std::uint8_t{10});
  const Image small = eval_transform(image, 2, ResizeMode::shortest);
  const Bytes out = view_of(image, parse_view("eval", 2));
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(out[c * 4 + i], small.pixels[i * 3 + c]);
  }
  const Bytes grey = view_of(filled(5, 1, 77), parse_view("resize", 4));
  EXPECT_EQ(grey, Bytes(48, 77));
  ViewSpec luma = parse_view("resize", 2);
  luma.channels = 1;
  EXPECT_EQ(view_of({1, 1, 3, {255, 0, 0}}, luma), Bytes(4, 76));  // Pillow's luma of red
}

// open_clip's transforms of a test image have one name each, which says them again.
TEST(TestViews, NamesAndTransformsAreOneToOne) {
  for (const ResizeMode mode : {ResizeMode::shortest, ResizeMode::longest, ResizeMode::squash}) {
    for (const Filter filter : {Filter::bicubic, Filter::bilinear}) {
      for (const std::uint8_t fill : {0, 128, 255}) {
        const TestTransform transform{mode, filter, fill};
        const std::string name = test_view_name(transform);
        EXPECT_EQ(test_transform_of(name), transform) << name;
        EXPECT_NO_THROW(is_test_view()("view", name)) << name;
      }
    }
  }
  EXPECT_EQ(test_view_name({}), "eval");
  EXPECT_EQ(test_view_name({ResizeMode::squash}), "resize");
  EXPECT_EQ(test_view_name({ResizeMode::longest}), "eval_longest");
  EXPECT_EQ(test_view_name({ResizeMode::longest, Filter::bilinear, 7}), "longest-bilinear-fill7");
  EXPECT_FALSE(test_transform_of("eval_squash").has_value());  // open_clip has no such transform
  EXPECT_FALSE(test_transform_of("crop").has_value());
  for (const char* wrong :
       {"shortest-bicubic", "shortest", "longest-bicubic-fill256", "longest-bicubic-fill", "crop"}) {
    test::expect_error(ErrorKind::input, {"view must be one of", "squash-bilinear"},
                       [&] { is_test_view()("view", wrong); });
  }
}

TEST(TestViews, ANameMakesItsTransform) {
  Image image{31, 17, 3, Bytes(31 * 17 * 3)};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 37 % 256);
  const Image expected = eval_transform(image, 8, ResizeMode::longest, Filter::bilinear, 90);
  const Bytes out = view_of(image, parse_view("longest-bilinear-fill90", 8));
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 64; ++i) ASSERT_EQ(out[c * 64 + i], expected.pixels[i * 3 + c]);
  }
  EXPECT_EQ(out[0], 90);  // its rim
}

// The paper's test images: squeezed to 256 x 256, the middle 224.
TEST(Augment, EvalSquashIsTheMiddleOfTheSqueezedImage) {
  Image image{300, 100, 1, Bytes(30000)};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * i / 97 % 251);
  const Image squeezed = resize(image, 256, 256, Filter::bicubic);
  const Bytes out = view_of(image, parse_view("eval_squash", 224));
  for (std::size_t y = 0; y < 224; y += 5) {
    for (std::size_t x = 0; x < 224; ++x) {
      ASSERT_EQ(out[y * 224 + x], squeezed.pixels[(y + 16) * 256 + x + 16]) << x << " " << y;
    }
  }
}

TEST(Augment, RandomViewsRepeatForTheSameAddressOnly) {
  const Image image = black_square(40, 3, 10, 28);
  for (const std::string& name : view_names()) {
    const ViewSpec spec = parse_view(name, 16);
    EXPECT_EQ(view_of(image, spec, 3), view_of(image, spec, 3)) << name;
    if (spec.make != parse_view("eval", 16).make) {
      EXPECT_NE(view_of(image, spec, 3), view_of(image, spec, 4)) << name;
    }
  }
}

// Without randomness the affine view must be plain bilinear sampling: at one size the picture itself.
TEST(Augment, AffineIdentityIsExact) {
  ViewSpec spec = parse_view("drawing", 20);
  spec.scale_min = spec.scale_max = 1;
  spec.rotation_deg = spec.shift = 0;
  spec.gain_min = spec.gain_max = 1;
  for (const int channels : {1, 3}) {
    const Image image = black_square(20, channels, 3, 15);
    const Bytes out = view_of(image, spec);
    for (std::size_t c = 0; c < 3; ++c) {
      for (std::size_t i = 0; i < 400; ++i) {
        ASSERT_EQ(out[c * 400 + i], image.pixels[i * static_cast<std::size_t>(channels)]);
      }
    }
  }
}

struct Moments {
  double ink = 0, x = 0, y = 0, darkest = 255;
};

Moments moments_of(const Bytes& out, int size) {
  Moments m;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const double value = out[static_cast<std::size_t>(y * size + x)];
      m.ink += 255 - value;
      m.x += (255 - value) * (x + 0.5);
      m.y += (255 - value) * (y + 0.5);
      m.darkest = std::min(m.darkest, value);
    }
  }
  m.x /= m.ink * size;
  m.y /= m.ink * size;
  return m;
}

TEST(Augment, DrawingStaysWithinItsRangesAndUsesThem) {
  const Image image = black_square(40, 1, 12, 28);  // 16 % of the area, in the middle
  const ViewSpec spec = parse_view("drawing", 32);
  double least_area = 1, most_area = 0, least_x = 1, most_x = 0, lightest_ink = 0, darkest_ink = 255;
  for (std::uint64_t i = 0; i < 600; ++i) {
    const Bytes out = view_of(image, spec, i);
    const Moments m = moments_of(out, 32);
    const double area = m.ink / (255 - m.darkest) / (32 * 32);
    ASSERT_EQ(out[0], 255);  // the corners are background
    ASSERT_EQ(out[1023], 255);
    least_area = std::min(least_area, area), most_area = std::max(most_area, area);
    least_x = std::min(least_x, m.x), most_x = std::max(most_x, m.x);
    lightest_ink = std::max(lightest_ink, m.darkest), darkest_ink = std::min(darkest_ink, m.darkest);
  }
  EXPECT_NEAR(least_area, 0.16 * 0.85 * 0.85, 0.008);
  EXPECT_NEAR(most_area, 0.16 * 1.15 * 1.15, 0.008);
  EXPECT_NEAR(least_x, 0.42, 0.006);
  EXPECT_NEAR(most_x, 0.58, 0.006);
  EXPECT_NEAR(lightest_ink, 0.4 * 255, 3);
  EXPECT_NEAR(darkest_ink, 0, 3);
}

TEST(Augment, RotationTurnsTheDrawing) {
  ViewSpec spec = parse_view("drawing_strong", 32);
  spec.scale_min = spec.scale_max = spec.aspect_min = spec.aspect_max = spec.gain_min = spec.gain_max = 1;
  spec.shift = 0;
  Image bar = filled(32, 1, 255);
  for (std::size_t i = 0; i < 32 * 32; ++i) {
    if (i / 32 >= 15 && i / 32 < 17 && i % 32 >= 4 && i % 32 < 28) bar.pixels[i] = 0;
  }
  double most_deg = 0;
  for (std::uint64_t position = 0; position < 300; ++position) {
    const Bytes out = view_of(bar, spec, position);
    double xy = 0, xx = 0;
    for (int i = 0; i < 32 * 32; ++i) {
      const double x = i % 32 - 15.5, y = i / 32 - 15.5, ink = 255.0 - out[static_cast<std::size_t>(i)];
      xy += ink * x * y;
      xx += ink * x * x;
    }
    most_deg = std::max(most_deg, std::abs(std::atan(xy / xx)) * 180 / M_PI);
  }
  EXPECT_NEAR(most_deg, 20, 1);
}

TEST(Augment, StrongDrawingIsSometimesGrey) {
  Image red = filled(24, 3, 0);
  for (std::size_t i = 0; i < red.pixels.size(); i += 3) red.pixels[i] = 200;
  int grey = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    const Bytes out = view_of(red, parse_view("drawing_strong", 16), i);
    grey += out[8 * 16 + 8] == out[256 + 8 * 16 + 8] ? 1 : 0;
  }
  EXPECT_NEAR(grey, 200, 45);  // 3.5 sigma
}

TEST(Augment, LargeDrawingsAreShrunkNotSkipped) {
  Image stripes = filled(256, 1, 0);  // every other column: must average, whatever the sampling hits
  for (std::size_t i = 0; i < stripes.pixels.size(); i += 2) stripes.pixels[i] = 255;
  ViewSpec spec = parse_view("drawing", 16);
  spec.gain_min = spec.gain_max = 1;
  const Bytes out = view_of(stripes, spec, 1);
  for (int y = 5; y < 11; ++y) {
    for (int x = 5; x < 11; ++x) EXPECT_NEAR(out[static_cast<std::size_t>(y * 16 + x)], 128, 4);
  }
}

// Coordinates as pixels: the crops of a ramp must have the area and ratio they are drawn from, and the flip its rate.
TEST(Augment, RandomCropCoversItsRange) {
  Image ramp{240, 240, 3, {}};
  for (int y = 0; y < 240; ++y) {
    for (int x = 0; x < 240; ++x) {
      ramp.pixels.insert(ramp.pixels.end(), {static_cast<std::uint8_t>(x), static_cast<std::uint8_t>(y), 0});
    }
  }
  const ViewSpec spec = parse_view("crop_flip", 24);
  double least = 1, most = 0;
  int flipped = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Bytes out = view_of(ramp, spec, i);
    const double width = (out[20] - out[3]) / 17.0 * 24 / 240;
    const double height = (out[576 + 20 * 24] - out[576 + 3 * 24]) / 17.0 * 24 / 240;
    flipped += width < 0 ? 1 : 0;
    const double area = std::abs(width) * height, aspect = std::abs(width) / height;
    least = std::min(least, area), most = std::max(most, area);
    ASSERT_GT(height, 0);
    ASSERT_GT(aspect, 0.70);
    ASSERT_LT(aspect, 1.43);
  }
  EXPECT_NEAR(least, 0.08, 0.015);
  EXPECT_NEAR(most, 1.0, 0.05);
  EXPECT_NEAR(flipped, 1000, 80);
  int unflipped = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Bytes out = view_of(ramp, parse_view("crop", 24), i);
    unflipped += out[20] > out[3] ? 1 : 0;
    EXPECT_GT((out[20] - out[3]) * (out[576 + 20 * 24] - out[576 + 3 * 24]) / 17.0 / 17.0 / 100, 0.85);
  }
  EXPECT_EQ(unflipped, 100);
}

TEST(Augment, ExtremeShapesDoNotFail) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 200}, {300, 2}}) {
    const Image image{width, height, 3, Bytes(static_cast<std::size_t>(width * height * 3), 9)};
    for (const std::string& name : view_names()) {
      const ViewSpec spec = parse_view(name, 8);
      for (std::uint64_t i = 0; i < 20; ++i) {
        const Bytes out = view_of(image, spec, i);
        // One colour stays one colour; only a drawing is shrunk onto white, and a longest side leaves a black rim.
        // Steps may fill, invert or brighten.
        if (name.starts_with("drawing") || spec.mode == ResizeMode::longest || !spec.steps.empty()) continue;
        EXPECT_EQ(out, Bytes(spec.bytes(), 9)) << name << " of " << width << " x " << height;
      }
    }
  }
}

// What a configuration offers comes from the table.
TEST(Augment, ChoicesOfAKey) {
  EXPECT_EQ(view_names(ViewUse::test), (std::vector<std::string>{"resize", "eval", "eval_longest", "eval_squash"}));
  EXPECT_EQ(
      view_names(ViewUse::training),
      (std::vector<std::string>{"crop", "crop_half", "crop_flip", "simclr", "rand", "rand_torchvision", "rand_timm",
                                "trivial", "auto", "stacked_rand", "stacked_rand_paper", "drawing", "drawing_strong"}));
}

TEST(Augment, RefusesUnknownNames) {
  test::expect_error(ErrorKind::input, {"sketch", "drawing_strong"}, [] { parse_view("sketch", 8); });
  EXPECT_THROW(parse_view("crop", 0), Error);
  Bytes wrong(5);
  RandomStream random(1, Purpose::test, 0);
  EXPECT_THROW(apply_view(filled(4, 3, 0), parse_view("resize", 8), random, wrong), Error);
  EXPECT_THROW(view_of({}, parse_view("crop", 8)), Error);
}

}  // namespace
}  // namespace clip_hpc
