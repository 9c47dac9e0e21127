#include "clip_hpc/data/augment/operation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"
#include "tests/data/image/pillow_kinds.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Vector {  // a line of pillow_operations.txt
  std::string title;
  OperationCall call;
  Bytes expected;
};

struct Vectors {
  Bytes picture;
  int width = 0, height = 0;
  std::vector<Vector> all;
};

Vectors read_vectors() {
  const char* root = std::getenv("CLIP_HPC_SOURCE_DIR");
  EXPECT_NE(root, nullptr) << "CLIP_HPC_SOURCE_DIR is not set";
  Vectors out;
  const std::string text =
      read_text_file(std::filesystem::path(root != nullptr ? root : ".") / "tests/data/augment/pillow_operations.txt");
  for (const std::string& line : split_lines(text)) {
    if (line.starts_with('#') || line.empty()) continue;
    const std::vector<std::string_view> parts = split_text(line, ' ');
    const std::vector<std::string> words(parts.begin(), parts.end());
    if (words[0] == "picture") {
      out.width = std::stoi(words[1]);
      out.height = std::stoi(words[2]);
      out.picture = test::from_hex(words[3]);
      continue;
    }
    const Sampling sampling = words[3] == "bilinear"  ? Sampling::bilinear
                              : words[3] == "bicubic" ? Sampling::bicubic
                                                      : Sampling::nearest;
    out.all.push_back({words[0] + " " + words[1] + " " + words[3],
                       {.kind = &operation_kind(words[0]),
                        .value = std::stod(words[1]),
                        .fill = static_cast<std::uint8_t>(std::stoi(words[2])),
                        .sampling = sampling,
                        .x = std::stod(words[4]),
                        .y = std::stod(words[5])},
                       test::from_hex(words[6])});
  }
  return out;
}

Bytes applied(Bytes pixels, int width, int height, int channels, const OperationCall& call) {
  OperationScratch scratch;
  apply_operation({pixels.data(), width, height, channels}, call, scratch);
  return pixels;
}

TEST(Operation, EachGivesTheBytesOfPillow) {
  const Vectors vectors = read_vectors();
  std::set<std::string> seen;
  for (const Vector& one : vectors.all) {
    EXPECT_EQ(applied(vectors.picture, vectors.width, vectors.height, 3, one.call), one.expected) << one.title;
    seen.insert(one.call.kind->name);
  }
  EXPECT_EQ(seen.size(), operation_kinds().size());  // none is left out
}

TEST(Operation, ThoseThatDoNothingToGreyLeaveIt) {
  Bytes grey(48);
  std::iota(grey.begin(), grey.end(), std::uint8_t{50});
  for (const char* name : {"hue", "color", "grey", "tf_color"}) {
    EXPECT_EQ(applied(grey, 8, 6, 1, {.kind = &operation_kind(name), .value = 0.3}), grey) << name;
  }
}

// Sizes that vector loops and 3 x 3 windows do not divide.
TEST(Operation, AnySizeAndNumberOfChannelsIsFine) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 9}, {2, 2}, {67, 3}}) {
    for (const int channels : {1, 3}) {
      const Bytes flat(static_cast<std::size_t>(width * height * channels), 90);
      for (const OperationKind& kind : operation_kinds()) {
        for (const Sampling sampling : {Sampling::nearest, Sampling::bilinear, Sampling::bicubic}) {
          const Bytes out =
              applied(flat, width, height, channels,
                      {.kind = &kind, .value = kind.shown, .fill = 90, .sampling = sampling, .x = 0.5, .y = 0.5});
          EXPECT_EQ(std::ranges::count(out, out[0]), std::ssize(out)) << kind.name << " of one colour stays one colour";
        }
      }
    }
  }
}

TEST(Operation, AnUnknownNameNamesTheNearest) {
  test::expect_error(ErrorKind::input, {"operation on an image", "posterise", "posterize"},
                     [] { operation_kind("posterise"); });
}

}  // namespace
}  // namespace clip_hpc
