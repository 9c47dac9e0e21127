// A packed set that is packed again: the same samples, or with swapped captions for a share of them.
#include "clip_hpc/data/sources/repacked.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

PackedSet repack(const RepackOptions& options, const std::filesystem::path& folder) {
  const PackSource source = open_repacked(options);
  prepare_set_folder(folder);
  std::vector<PackedPart> parts;
  for (std::uint64_t part = 0; part < source.parts; ++part) parts.push_back(pack_part(source, part, folder));
  finish_set(source, parts, folder);
  return PackedSet(folder);
}

TEST(Repacked, WithoutSwappingItIsTheSameSet) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", 250);
  const PackedSet copy = repack({.input = folder / "set"}, folder / "copy");
  EXPECT_EQ(copy.tables_checksum(), set->tables_checksum());
  EXPECT_EQ(copy.info().label_names, set->info().label_names);
  EXPECT_EQ(copy.info().shards.size(), 3U);
}

TEST(Repacked, AShareOfTheCaptionsIsSwapped) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", 1000);
  const RepackOptions options{.input = folder / "set", .swapped = 0.3, .seed = 4};
  const PackedSet swapped = repack(options, folder / "swapped");
  ASSERT_EQ(swapped.count(), set->count());
  std::uint64_t count = 0;
  for (std::uint64_t i = 0; i < set->count(); ++i) {
    const PackedSample before = set->read(i), after = swapped.read(i);
    const bool is_swapped = after.labels.at(kSwappedLabel) == 1;
    EXPECT_EQ(before.image, after.image);
    EXPECT_EQ(before.uid, after.uid);
    EXPECT_EQ(before.labels.at("label"), after.labels.at("label"));
    EXPECT_EQ(before.captions != after.captions, is_swapped) << i;
    count += is_swapped ? 1 : 0;
  }
  EXPECT_NEAR(static_cast<double>(count), 300, 60);
  EXPECT_EQ(repack(options, folder / "again").checksum(), swapped.checksum());
  EXPECT_NE(repack({.input = folder / "set", .swapped = 0.3, .seed = 5}, folder / "other").checksum(),
            swapped.checksum());
  EXPECT_FALSE(std::filesystem::exists(swapped.classnames_file(kSwappedLabel)));  // nothing to classify
}

TEST(Repacked, WhatCannotBeSwappedIsRefused) {
  const test::TempFolder folder;
  test::make_set(folder / "set", 20);
  repack({.input = folder / "set", .swapped = 0.5}, folder / "swapped");
  test::expect_error(ErrorKind::input, {"swapped captions already", "label_swapped"},
                     [&] { open_repacked({.input = folder / "swapped", .swapped = 0.5}); });
  test::make_set(folder / "mute", 5, 100, "raw", [](std::uint64_t i) {
    PackedSample sample = test::grey_sample(i);
    sample.captions.clear();
    return sample;
  });
  test::expect_error(ErrorKind::input, {"--corrupt"}, [&] { open_repacked({.input = folder / "mute", .swapped = 1}); });
  // One caption for all: nothing to swap it for.
  test::make_set(folder / "alike", 9, 100, "raw", [](std::uint64_t i) {
    PackedSample sample = test::grey_sample(i);
    sample.captions = "the same";
    return sample;
  });
  const PackedSet alike = repack({.input = folder / "alike", .swapped = 1}, folder / "alike_swapped");
  for (const std::int32_t label : alike.all_labels(kSwappedLabel)) EXPECT_EQ(label, 0);
}

}  // namespace
}  // namespace clip_hpc
