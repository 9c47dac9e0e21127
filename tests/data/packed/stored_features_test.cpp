#include "clip_hpc/data/packed/stored_features.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

constexpr std::uint64_t kSamples = 5, kWidth = 3;

struct Parts {
  std::vector<std::int64_t> image_of = {0, 0, 1, 2, 2, 2, 3, 4};  // of each caption
  bool has_texts = true, has_set = true;
  std::uint64_t images = kSamples;
  std::string scale = "2.302585092994046";  // ln 10
};

// Number i of an image is 10 * sample + i, of a caption 1000 + 10 * caption + i.
std::filesystem::path write_features(const std::filesystem::path& path, const PackedSet& set, const Parts& parts = {}) {
  const auto rows_of = [](std::uint64_t rows, float first) {
    std::vector<float> values;
    for (std::uint64_t i = 0; i < rows * kWidth; ++i) {
      values.push_back(first + 10 * static_cast<float>(i / kWidth) + static_cast<float>(i % kWidth));
    }
    return values;
  };
  const std::uint64_t texts = parts.image_of.size();
  Hid file = create_hdf5(path);
  write_dataset(file, "image", H5T_IEEE_F32LE, parts.images, kWidth, rows_of(parts.images, 0).data(), path);
  if (parts.has_texts) write_dataset(file, "text", H5T_IEEE_F32LE, texts, kWidth, rows_of(texts, 1000).data(), path);
  write_dataset(file, "image_of", H5T_STD_I64LE, texts, 0, parts.image_of.data(), path);
  write_attribute(file, "logit_scale", parts.scale, path);
  if (parts.has_set) write_attribute(file, "set_checksum", set.checksum(), path);
  EXPECT_TRUE(file.close());
  return path;
}

std::vector<float> row(const StoredFeatures& features, std::uint64_t sample, int caption) {
  std::vector<float> values(2 * kWidth);
  features.read(sample, caption, values);
  return values;
}

TEST(StoredFeatures, EveryCaptionOfEverySampleHasItsOwn) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", kSamples);
  const StoredFeatures features(write_features(folder / "teacher.h5", *set), *set);
  EXPECT_EQ(features.width(), static_cast<std::int64_t>(kWidth));
  EXPECT_NEAR(features.scale(), 10, 1e-9);
  EXPECT_EQ(row(features, 0, 0), (std::vector<float>{0, 1, 2, 1000, 1001, 1002}));
  EXPECT_EQ(row(features, 0, 1), (std::vector<float>{0, 1, 2, 1010, 1011, 1012}));
  EXPECT_EQ(row(features, 2, 2), (std::vector<float>{20, 21, 22, 1050, 1051, 1052}));
  EXPECT_EQ(row(features, 4, 0), (std::vector<float>{40, 41, 42, 1070, 1071, 1072}));
  test::expect_error(ErrorKind::storage, {"teacher.h5", "caption 1 of sample 1"}, [&] { row(features, 1, 1); });
  test::expect_error(ErrorKind::storage, {"caption 1 of sample 4"}, [&] { row(features, 4, 1); });
}

TEST(StoredFeatures, OneCaptionEachIsReadWithoutASearchAndChecked) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", kSamples);
  Parts parts{.image_of = {0, 1, 2, 3, 4}};
  const StoredFeatures features(write_features(folder / "one.h5", *set, parts), *set);
  EXPECT_EQ(row(features, 3, 0), (std::vector<float>{30, 31, 32, 1030, 1031, 1032}));
  parts.image_of = {0, 2, 1, 3, 4};
  const StoredFeatures changed(write_features(folder / "changed.h5", *set, parts), *set);
  test::expect_error(ErrorKind::storage, {"caption 0 of sample 1"}, [&] { row(changed, 1, 0); });
}

TEST(StoredFeatures, WhatDoesNotBelongToTheSetIsRefused) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", kSamples);
  const auto refuses = [&](const Parts& parts, const std::vector<std::string>& words) {
    const auto path = write_features(folder / "wrong.h5", *set, parts);
    test::expect_error(ErrorKind::input, words, [&] { const StoredFeatures features(path, *set); });
    std::filesystem::remove(path);
  };
  refuses({.has_texts = false}, {"no dataset text", "--write image,text"});
  refuses({.has_set = false}, {"set_checksum", "write it again"});
  for (const char* scale : {"much", "nan", "1000", ""}) refuses({.scale = scale}, {"logit_scale", "not a number"});
  refuses({.images = kSamples - 1}, {"features of another set", "5 samples"});
  // As many samples, other ones.
  const auto other = test::make_set(folder / "other", kSamples, 100, "raw",
                                    [](std::uint64_t i) { return test::grey_sample(i + 100); });
  const auto path = write_features(folder / "teacher.h5", *set);
  test::expect_error(ErrorKind::input, {"made of another set"}, [&] { const StoredFeatures features(path, *other); });
  test::expect_error(ErrorKind::input, {"nowhere.h5", "clip_hpc embed"},
                     [&] { const StoredFeatures features(folder / "nowhere.h5", *set); });
}

TEST(StoredFeatures, AnotherFileHasAnotherFingerprint) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", kSamples);
  const auto first = write_features(folder / "first.h5", *set);
  const std::string before = StoredFeatures(first, *set).fingerprint();
  EXPECT_EQ(before, StoredFeatures(write_features(folder / "same.h5", *set), *set).fingerprint());
  EXPECT_NE(before, StoredFeatures(write_features(folder / "scaled.h5", *set, {.scale = "1.5"}), *set).fingerprint());
  const Hid file = open_hdf5(first);
  test::flip_byte(first, region_of(file, "image", sizeof(float), first).offset_bytes + 4);
  EXPECT_NE(before, StoredFeatures(first, *set).fingerprint());
}

}  // namespace
}  // namespace clip_hpc
