// Expected bytes: Pillow 13.0.0 on the same synthetic pictures (Image.resize, and open_clip's transform spelt out).
#include "clip_hpc/data/image/resize.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

using Bytes = std::vector<std::uint8_t>;

Image picture(int width, int height, int channels) {
  Image image{width, height, channels, {}};
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < channels; ++c) {
        image.pixels.push_back(static_cast<std::uint8_t>(x * 37 + y * 91 + c * 53 + (x * y) % 17 * 11));
      }
    }
  }
  return image;
}

TEST(Resize, BytesOfPillow) {
  const Image grey = picture(11, 7, 1);
  const Box box{1.3, 0.7, 9.6, 6.2};
  EXPECT_EQ(resize(grey, 5, 4, Filter::bicubic).pixels,
            (Bytes{75, 133, 137, 110, 72, 146, 136, 127, 118, 74, 105, 122, 138, 148, 121, 117, 156, 94, 129, 186}));
  EXPECT_EQ(resize(grey, 5, 4, Filter::bilinear).pixels,
            (Bytes{80, 132, 135, 108, 76, 141, 135, 131, 113, 79, 109, 125, 131, 147, 124, 117, 149, 106, 132, 178}));
  EXPECT_EQ(resize(grey, 13, 9, Filter::bicubic).pixels,
            (Bytes{0,   22,  55,  85,  119, 160, 190, 235, 55,  0,   50,  91,  118, 54,  86,  138, 193, 166, 52,  100,
                   158, 132, 154, 120, 32,  77,  143, 192, 151, 152, 156, 85,  136, 66,  116, 193, 128, 0,   67,  156,
                   217, 113, 72,  128, 158, 212, 76,  57,  113, 109, 44,  65,  15,  68,  130, 204, 180, 37,  111, 246,
                   113, 87,  173, 172, 12,  79,  170, 84,  57,  132, 145, 65,  165, 211, 123, 122, 184, 8,   179, 118,
                   65,  105, 170, 162, 158, 91,  210, 126, 70,  173, 145, 156, 69,  123, 203, 173, 88,  191, 45,  145,
                   147, 107, 162, 255, 22,  112, 220, 220, 102, 1,   101, 24,  83,  196, 207, 159, 252}));
  EXPECT_EQ(resize(grey, 4, 3, Filter::bicubic, box).pixels,
            (Bytes{141, 127, 121, 105, 126, 127, 141, 125, 120, 139, 130, 138}));
  EXPECT_EQ(resize(grey, 4, 3, Filter::bilinear, box).pixels,
            (Bytes{138, 125, 121, 110, 125, 126, 142, 123, 123, 138, 127, 136}));
  EXPECT_EQ(resize(grey, 5, 7, Filter::bicubic).pixels,
            (Bytes{24,  102, 188, 61, 83,  129, 174, 74,  173, 63,  185, 106, 151, 83,  60, 70,  159, 130,
                   140, 116, 126, 90, 129, 162, 109, 113, 161, 153, 119, 163, 117, 156, 46, 137, 205}));
  EXPECT_EQ(resize(grey, 11, 3, Filter::bicubic).pixels,
            (Bytes{75,  121, 119, 164, 97, 148, 139, 86,  140, 30, 83,  99, 158, 86,  162, 113, 131,
                   153, 127, 115, 147, 39, 117, 100, 149, 172, 88, 143, 62, 188, 116, 161, 201}));
  EXPECT_EQ(resize(grey, 11, 7, Filter::bicubic).pixels, grey.pixels);
  EXPECT_EQ(resize(picture(9, 8, 3), 3, 3, Filter::bicubic).pixels,
            (Bytes{115, 134, 141, 132, 133, 135, 121, 118, 127, 119, 145, 117, 134, 121,
                   116, 133, 109, 140, 138, 128, 149, 108, 124, 139, 126, 95,  123}));
}

// Pillow shrinks the rows first where there is more to shrink: some pixels are one level off the other order.
TEST(Resize, BytesOfPillowOfTallImages) {
  const Image tall = picture(7, 23, 1);
  const Box box{1.3, 0.7, 6.6, 20.2};
  EXPECT_EQ(resize(tall, 4, 5, Filter::bicubic).pixels, (Bytes{107, 129, 130, 138, 129, 141, 109, 112, 148, 138,
                                                               136, 157, 121, 126, 148, 146, 127, 138, 149, 112}));
  EXPECT_EQ(resize(tall, 4, 5, Filter::bicubic, box).pixels, (Bytes{120, 146, 119, 141, 143, 132, 100, 112, 158, 111,
                                                                    146, 153, 125, 128, 147, 160, 126, 154, 140, 136}));
  EXPECT_EQ(resize(tall, 9, 5, Filter::bilinear).pixels,
            (Bytes{94,  123, 123, 118, 163, 119, 127, 140, 134, 117, 130, 143, 145, 122, 102,
                   117, 124, 103, 152, 141, 147, 147, 97,  133, 163, 163, 130, 129, 120, 120,
                   129, 145, 137, 157, 156, 119, 116, 134, 129, 126, 178, 136, 140, 130, 85}));
  EXPECT_EQ(eval_transform(tall, 4, ResizeMode::shortest).pixels,
            (Bytes{165, 137, 83, 121, 113, 141, 134, 141, 158, 136, 154, 157, 152, 144, 125, 176}));
}

TEST(Resize, LargeImage) {
  const Image small = resize(picture(300, 200, 1), 64, 48, Filter::bicubic);
  EXPECT_EQ(std::accumulate(small.pixels.begin(), small.pixels.end(), 0L), 391867);
  Bytes some;
  for (std::size_t i = 0; i < small.pixels.size(); i += 293) some.push_back(small.pixels[i]);
  EXPECT_EQ(some, (Bytes{124, 130, 145, 122, 123, 135, 145, 122, 126, 124, 117}));
}

TEST(Resize, OpenClipEvalTransform) {
  EXPECT_EQ(eval_transform(picture(11, 7, 1), 4, ResizeMode::shortest).pixels,
            (Bytes{133, 125, 143, 94, 140, 132, 117, 124, 110, 131, 157, 134, 170, 112, 93, 148}));
  EXPECT_EQ(eval_transform(picture(7, 12, 1), 5, ResizeMode::shortest).pixels,
            (Bytes{82, 115, 144, 98,  177, 139, 89,  157, 151, 101, 98,  184, 116,
                   72, 84,  170, 157, 94,  107, 127, 95,  160, 106, 163, 121}));
  EXPECT_EQ(eval_transform(picture(20, 6, 1), 3, ResizeMode::shortest).pixels,
            (Bytes{77, 103, 195, 113, 85, 165, 130, 142, 143}));
  EXPECT_EQ(
      eval_transform(picture(11, 7, 1), 5, ResizeMode::longest).pixels,
      (Bytes{0, 0, 0, 0, 0, 101, 135, 132, 111, 68, 122, 128, 135, 133, 97, 115, 146, 107, 136, 171, 0, 0, 0, 0, 0}));
  EXPECT_EQ(eval_transform(picture(11, 7, 1), 4, ResizeMode::squash).pixels,
            resize(picture(11, 7, 1), 4, 4, Filter::bicubic).pixels);
  const Image tall = picture(4, 9, 3);  // the right width already: rows 2 to 5 (Python rounds 2.5 to 2)
  EXPECT_EQ(eval_transform(tall, 4, ResizeMode::shortest).pixels,
            Bytes(tall.pixels.begin() + 2 * 12, tall.pixels.begin() + 6 * 12));
}

// As Pillow pads: 127 is a place in a palette, a number of 16 bits, and white where a pixel is one bit.
TEST(Resize, TheFillIsOfTheImagesOwnKind) {
  const auto corner = [](Image image, std::uint8_t fill) {
    image.width = 4;
    image.height = 2;
    image.pixels.assign(std::size_t{8} * static_cast<std::size_t>(image.channels), 9);
    const Image out = eval_transform(image, 4, ResizeMode::longest, Filter::bilinear, fill);
    return Bytes(out.pixels.begin(), out.pixels.begin() + out.channels);
  };
  Image coloured{0, 0, 3, {}, Pixels::nearest, Bytes(768, 0)};
  coloured.palette[3 * 127] = 200;
  EXPECT_EQ(corner(coloured, 127), (Bytes{200, 0, 0}));
  EXPECT_EQ(corner(coloured, 126), (Bytes{0, 0, 0}));
  const Image one_bit{0, 0, 1, {}, Pixels::nearest};
  EXPECT_EQ(corner(one_bit, 127), Bytes{255});
  EXPECT_EQ(corner(one_bit, 0), Bytes{0});
  EXPECT_EQ(corner({0, 0, 2, {}, Pixels::grey16}, 127), Bytes{127});
  EXPECT_EQ(corner({0, 0, 3, {}, Pixels::plain}, 127), (Bytes{127, 127, 127}));
}

TEST(Resize, CropsAreCutOffBeforeTheyAreResized) {
  const Image whole = picture(11, 7, 3);
  const ImageView part = ImageView(whole).crop(2, 1, 6, 5);
  Image copy{6, 5, 3, {}};
  for (int y = 1; y < 6; ++y) {
    copy.pixels.insert(copy.pixels.end(), whole.pixels.begin() + (y * 11 + 2) * 3,
                       whole.pixels.begin() + (y * 11 + 8) * 3);
  }
  for (const auto& [width, height] : {std::pair{4, 4}, {6, 3}, {3, 5}, {6, 5}}) {
    EXPECT_EQ(resize(part, width, height, Filter::bicubic).pixels, resize(copy, width, height, Filter::bicubic).pixels);
  }
}

TEST(Resize, RefusesWhatCannotBe) {
  const Image grey = picture(11, 7, 1);
  EXPECT_THROW(resize(grey, 0, 4, Filter::bicubic), Error);
  EXPECT_THROW(resize(Image{}, 4, 4, Filter::bicubic), Error);
  EXPECT_THROW(resize(grey, 4, 4, Filter::bicubic, {0, 0, 12, 7}), Error);
  EXPECT_THROW(resize(grey, 4, 4, Filter::bicubic, {5, 0, 5, 7}), Error);
  EXPECT_THROW(eval_transform(Image{}, 4, ResizeMode::shortest), Error);
  EXPECT_THROW(parse_resize_mode("middle"), Error);
  EXPECT_EQ(parse_resize_mode("longest"), ResizeMode::longest);
}

}  // namespace
}  // namespace clip_hpc
