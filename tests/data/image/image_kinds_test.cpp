// Images of every kind against Pillow, whose results are in pillow_kinds.txt.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/image/resize.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/data/image/claimed_sizes.hpp"
#include "tests/data/image/pillow_kinds.hpp"

namespace clip_hpc {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes three_channels(const Image& image) {
  if (image.channels == 3) return image.pixels;
  Bytes rgb;
  for (const std::uint8_t grey : image.pixels) rgb.insert(rgb.end(), 3, grey);
  return rgb;
}

TEST(ImageKinds, DecodeAsPillowDoes) {
  const std::vector<test::PillowKind> all = test::pillow_kinds();
  EXPECT_GT(all.size(), 40U);
  for (const test::PillowKind& kind : all) {
    SCOPED_TRACE(kind.name);
    EXPECT_EQ(decode_image(kind.file).pixels, kind.whole);
    const ImageSize size = probe_size(kind.file);
    EXPECT_EQ(size.width, decode_image(kind.file).width);
    EXPECT_EQ(size.height, decode_image(kind.file).height);
  }
}

TEST(ImageKinds, EvaluationResizesInTheImagesOwnModeAsOpenClipDoes) {
  for (const test::PillowKind& kind : test::pillow_kinds()) {
    SCOPED_TRACE(kind.name);
    const Image image = decode_stored(kind.file);
    EXPECT_EQ(three_channels(eval_transform(image, 4, ResizeMode::shortest)), kind.shortest);
    EXPECT_EQ(three_channels(eval_transform(image, 3, ResizeMode::squash)), kind.squash);
  }
}

TEST(ImageKinds, ACutOffFileIsRefusedOrWhole) {
  for (const test::PillowKind& kind : test::pillow_kinds()) {
    SCOPED_TRACE(kind.name);
    for (std::size_t size = 0; size + 16 < kind.file.size(); size += 1 + kind.file.size() / 60) {
      const Bytes cut(kind.file.begin(), kind.file.begin() + static_cast<std::ptrdiff_t>(size));
      try {
        EXPECT_EQ(decode_image(cut).pixels.size(), kind.whole.size()) << size << " of " << kind.file.size();
      } catch (const Error& problem) {
        EXPECT_EQ(problem.kind(), ErrorKind::storage) << problem.what();
      }
    }
  }
}

TEST(ImageKinds, AnyByteMayBeWrong) {
  for (const test::PillowKind& kind : test::pillow_kinds()) {
    SCOPED_TRACE(kind.name);
    for (std::size_t at = 0; at < kind.file.size(); at += 1 + kind.file.size() / 300) {
      for (const int value : {0, 255}) {
        Bytes wrong = kind.file;
        wrong[at] = static_cast<std::uint8_t>(value);
        try {
          decode_image(wrong);
        } catch (const Error& problem) {
          EXPECT_EQ(problem.kind(), ErrorKind::storage) << problem.what();
        }
      }
    }
  }
}

TEST(ImageKinds, WhatIsNotReadIsCalledByItsName) {
  const auto refused = [](std::string_view text) {
    try {
      decode_image(Bytes(text.begin(), text.end()));
    } catch (const Error& problem) {
      return std::string(problem.what());
    }
    return std::string();
  };
  EXPECT_NE(refused(std::string_view("\0\0\0\x1c"
                                     "ftypavif....",
                                     16))
                .find("AVIF"),
            std::string::npos);
  EXPECT_NE(refused(std::string_view("\0\0\0\x1c"
                                     "ftypheic....",
                                     16))
                .find("HEIC"),
            std::string::npos);
  EXPECT_NE(refused("<!DOCTYPE html><html>gone</html>").find("HTML"), std::string::npos);
  EXPECT_NE(refused("<svg xmlns=").find("SVG"), std::string::npos);
  EXPECT_NE(refused("").find("no bytes"), std::string::npos);
  EXPECT_NE(refused("what is this?").find("JPEG, PNG, WebP, GIF, BMP, TIFF"), std::string::npos);
}

TEST(ImageKinds, WhatClaimsMorePixelsThanTheLimitIsRefusedBeforeMemoryIsAskedFor) {
  test::expect_error(ErrorKind::storage, {"1 x 400000000 pixels", "limit 178956970"},
                     [] { decode_image(test::png_that_claims(1, 400'000'000)); });
  test::expect_error(ErrorKind::storage, {"10000 x 10000 pixels cannot be in"},
                     [] { decode_image(test::png_that_claims(10'000, 10'000)); });
  test::expect_error(ErrorKind::storage, {"60000 x 50000 pixels", "limit 178956970"},
                     [] { decode_image(test::jpeg_that_claims(60'000, 50'000)); });
  test::expect_error(ErrorKind::storage, {"10000 x 10000 pixels cannot be in"},
                     [] { decode_image(test::jpeg_that_claims(10'000, 10'000)); });
  EXPECT_EQ(decode_image(test::tiff_that_claims(4, 4, 8, 1)).width, 4);
  test::expect_error(ErrorKind::storage, {"60000 x 50000 pixels", "limit 178956970"},
                     [] { decode_image(test::tiff_that_claims(60'000, 50'000, 8, 1)); });
  test::expect_error(ErrorKind::storage, {"60000 x 50000 pixels", "limit 178956970"},
                     [] { decode_image(test::tiff_that_claims(60'000, 50'000, 1, 4)); });  // as of a fax
  for (const std::uint16_t compression : {1, 5}) {                                         // none, LZW
    test::expect_error(ErrorKind::storage, {"10000 x 10000 pixels cannot be in"},
                       [&] { decode_image(test::tiff_that_claims(10'000, 10'000, 8, compression)); });
  }
  for (const test::PillowKind& kind : test::pillow_kinds()) {
    if (kind.name != "bmp in runs" && kind.name != "gif") continue;
    SCOPED_TRACE(kind.name);
    Bytes wide = kind.file;
    const std::size_t at = kind.name == "gif" ? 6 : 18;
    for (std::size_t i = 0; i < 4; ++i) wide[at + i] = 0xFF;
    if (kind.name != "gif") wide[at + 3] = 0x7F, wide[at + 6] = 0x7F;
    test::expect_error(ErrorKind::storage, {"limit 178956970"}, [&] { decode_image(wide); });
  }
}

}  // namespace
}  // namespace clip_hpc
