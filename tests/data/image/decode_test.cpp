// The files in hexadecimal were written by Pillow 13.0.0.
#include "clip_hpc/data/image/decode.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using Bytes = std::vector<std::uint8_t>;
using test::expect_error;

Bytes from_hex(const std::string& digits) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

constexpr const char* kPalette =
    "89504e470d0a1a0a0000000d4948445200000002000000010103000000ceecedc900000006504c5445ff00000000ff6ca1fd"
    "8e0000000a49444154789c63700000004200412937f4ef0000000049454e44ae426082";
constexpr const char* kPaletteTransparent =
    "89504e470d0a1a0a0000000d4948445200000002000000010103000000ceecedc900000006504c5445ff00000000ff6ca1fd"
    "8e0000000174524e530040e6d8660000000a49444154789c63700000004200412937f4ef0000000049454e44ae426082";
constexpr const char* kGrey16 =
    "89504e470d0a1a0a0000000d49484452000000030000000110000000006e1b972b0000000f49444154789c6360606868f8ff"
    "1f00068402ff4660deb60000000049454e44ae426082";
constexpr const char* kRgba =
    "89504e470d0a1a0a0000000d4948445200000002000000010806000000f4227f8a0000001149444154789c63f8cfc0d0c0c0"
    "c0c000000a8101808fa895520000000049454e44ae426082";
constexpr const char* kGreyAlpha =
    "89504e470d0a1a0a0000000d49484452000000020000000108040000005e2bb7010000000d49444154789c634cf9cfc00800"
    "04980166fe508f160000000049454e44ae426082";
constexpr const char* kWebp = "524946461e000000574542505650384c110000002f03c000000750852297a7ff8188e87f0000";
constexpr const char* kCmyk =
    "ffd8ffee000e41646f626500640000000000ffdb004300020101010101020101010202020202040302020202050404030406"
    "0506060605060606070908060709070606080b08090a0a0a0a0a06080b0c0b0a0c090a0a0affc00014080010001004431100"
    "4d11005911004b1100ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b510000201"
    "0303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282"
    "090a161718191a25262728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778"
    "797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5"
    "d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda000e0443004d0059004b00003f00fd84afcdbafdd4afd5"
    "ca28a28a28a28a28a28affd9";

Image gradient(int width, int height, int channels) {
  Image image{width, height, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) image.pixels.push_back(static_cast<std::uint8_t>(40 + x + y / (c + 1)));
    }
  }
  return image;
}

TEST(Decode, PngOfEveryKind) {
  EXPECT_EQ(decode_image(from_hex(kPalette)).pixels, (Bytes{255, 0, 0, 0, 0, 255}));
  EXPECT_EQ(decode_image(from_hex(kPaletteTransparent)).pixels, (Bytes{255, 0, 0, 0, 0, 255}));
  EXPECT_EQ(decode_image(from_hex(kGrey16)).pixels, (Bytes{0, 0, 0, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(decode_image(from_hex(kRgba)).pixels, (Bytes{255, 0, 0, 0, 0, 0}));
  EXPECT_EQ(decode_image(from_hex(kGreyAlpha)).pixels, (Bytes{100, 100, 100, 100, 100, 100}));
}

TEST(Decode, WebpAndCmykJpeg) {
  const Image webp = decode_image(from_hex(kWebp));
  EXPECT_EQ(webp.width, 4);
  EXPECT_EQ(Bytes(webp.pixels.begin(), webp.pixels.begin() + 3), (Bytes{200, 10, 60}));
  const Image cmyk = decode_image(from_hex(kCmyk));
  ASSERT_EQ(cmyk.channels, 3);
  EXPECT_NEAR(cmyk.pixels[(5 * 16 + 5) * 3 + 0], 190, 2);  // Pillow: 190, 46, 207
  EXPECT_NEAR(cmyk.pixels[(5 * 16 + 5) * 3 + 1], 46, 2);
  EXPECT_NEAR(cmyk.pixels[(5 * 16 + 5) * 3 + 2], 207, 2);
}

TEST(Decode, PngRoundTripIsExactAndRepeatable) {
  for (const int channels : {1, 3}) {
    const Image image = gradient(31, 17, channels);
    const Bytes file = encode_png(image);
    EXPECT_EQ(file, encode_png(image));
    const Image back = decode_image(file);
    ASSERT_EQ(back.pixels.size(), 31U * 17 * 3);
    for (std::size_t i = 0; i < 31 * 17; ++i) {
      for (std::size_t c = 0; c < 3; ++c) {
        const std::size_t stored = static_cast<std::size_t>(channels);
        ASSERT_EQ(back.pixels[3 * i + c], image.pixels[stored * i + c % stored]);
      }
    }
    EXPECT_EQ(probe_size(file).width, 31);
    EXPECT_EQ(probe_size(file).height, 17);
  }
}

TEST(Decode, JpegIsCloseAndShrinksNoFurtherThanAsked) {
  const Image image = gradient(100, 80, 3);
  const Bytes file = encode_jpeg(image, 95);
  const Image full = decode_image(file);
  ASSERT_EQ(full.pixels.size(), image.pixels.size());
  int worst = 0;
  for (std::size_t i = 0; i < full.pixels.size(); ++i)
    worst = std::max(worst, std::abs(full.pixels[i] - image.pixels[i]));
  EXPECT_LE(worst, 8);
  const auto height_for = [&](int short_side) { return decode_image(file, short_side).height; };
  EXPECT_EQ(height_for(0), 80);
  EXPECT_EQ(height_for(41), 80);
  EXPECT_EQ(height_for(40), 40);
  EXPECT_EQ(height_for(20), 20);
  EXPECT_EQ(height_for(1), 10);
  EXPECT_EQ(decode_image(file, 40).width, 50);
  EXPECT_EQ(probe_size(file).width, 100);
}

TEST(Decode, EveryCutOffFileIsRefused) {
  const Image image = gradient(40, 40, 3);
  for (const Bytes& file : {encode_jpeg(image, 90), encode_png(image), from_hex(kWebp)}) {
    for (std::size_t size = 0; size + 16 < file.size(); size += 1 + file.size() / 40) {
      EXPECT_THROW(decode_image(std::span(file).first(size)), Error) << size << " of " << file.size();
    }
  }
}

TEST(Decode, RefusesOtherAndDamagedFiles) {
  expect_error(ErrorKind::storage, {"none of JPEG, PNG"}, [] { decode_image(Bytes{'G', 'I', 'F'}); });
  expect_error(ErrorKind::storage, {"no bytes"}, [] { decode_image({}); });
  Bytes damaged = encode_png(gradient(20, 20, 3));
  damaged[damaged.size() - 30] ^= 0xFF;
  expect_error(ErrorKind::storage, {"PNG"}, [&] { decode_image(damaged); });
  Bytes huge = from_hex(kPalette);  // 2^31-1 pixels wide: refused before memory is asked for
  huge[16] = 0x7f;
  huge[17] = huge[18] = huge[19] = 0xff;
  expect_error(ErrorKind::storage, {"PNG"}, [&] { decode_image(huge); });
}

TEST(Decode, RawMustFit) {
  EXPECT_EQ(image_from_raw(Bytes(24), 4, 2, 3).width, 4);
  EXPECT_THROW(image_from_raw(Bytes(23), 4, 2, 3), Error);
  EXPECT_THROW(image_from_raw(Bytes(24), 4, 3, 2), Error);
  EXPECT_THROW(image_from_raw({}, 0, 0, 3), Error);
}

TEST(DecodeImage, ABrokenJpegDoesNotSpoilTheNextOnes) {
  const Image image{40, 30, 3, std::vector<std::uint8_t>(3600, 77)};
  const std::vector<std::uint8_t> good = encode_jpeg(image, 90);
  for (const std::size_t length : {std::size_t{3}, std::size_t{100}, good.size() / 2, good.size() - 30}) {
    const std::vector<std::uint8_t> cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    EXPECT_THROW(decode_image(cut), Error) << length;
    std::vector<std::uint8_t> garbled = good;
    std::fill(garbled.begin() + 2, garbled.begin() + static_cast<std::ptrdiff_t>(length), std::uint8_t{0xA5});
    EXPECT_THROW(decode_image(garbled), Error) << length;
    EXPECT_EQ(decode_image(good).width, 40) << length;
    EXPECT_EQ(probe_size(good).height, 30) << length;
  }
}

}  // namespace
}  // namespace clip_hpc
