#include "clip_hpc/data/packed/pack.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/packed/twins.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/expect_error.hpp"
#include "tests/logged.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

// Parts of grey samples. Counts how often a part was read.
struct Source {
  std::vector<int> reads;
  std::vector<std::string> broken;  // what a part throws behind its first sample; empty: nothing
  std::string version = "1";
  bool with_captions = true;

  explicit Source(std::size_t parts) : reads(parts), broken(parts) {}

  PackSource open() {
    PackSource source;
    source.info.name = "grey";
    source.info.encoding = "raw";
    source.info.channels = 1;
    source.parts = reads.size();
    source.read_part = [this](std::uint64_t part, const PackSink& sink) {
      reads[part] += 1;
      for (std::uint64_t i = 0; i < 3; ++i) {
        PackedSample sample = test::grey_sample(3 * part + i);
        if (!with_captions) sample.captions.clear();
        sink.add(fmt::format("sample {}", i), sample);
        if (!broken[part].empty()) throw storage_error("{}", broken[part]);
      }
      for (int i = 0; i < 18; ++i)
        sink.skip(fmt::format("bad {}", i), fmt::format("kind {} of {}", char('a' + i % 8), i));
    };
    source.fingerprint = [this](std::uint64_t part) { return fmt::format("{} {}", version, part); };
    return source;
  }
};

std::vector<PackedPart> pack_parts(const PackSource& source, const fs::path& folder) {
  prepare_set_folder(folder);
  std::vector<PackedPart> parts;
  for (std::uint64_t part = 0; part < source.parts; ++part) parts.push_back(pack_part(source, part, folder));
  return parts;
}

TEST(PackReportOf, CountsByReasonAndListsEach) {
  const test::TempFolder folder;
  Source source(2);
  const PackSource opened = source.open();
  const std::vector<PackedPart> parts = pack_parts(opened, folder / "set");
  const PackReport report = report_of(parts);
  EXPECT_EQ(report.skipped.total(), 36U);
  const std::vector<std::string> lines = report.skipped.lines();
  ASSERT_EQ(lines.size(), 8U);  // eight kinds, not eighteen reasons
  EXPECT_EQ(lines[0], "     6 x kind a of N (first: bad 0)");
  finish_set(opened, parts, folder / "set");
  const std::string list = read_text_file(folder / "set" / kPackReportName);
  EXPECT_EQ(std::ranges::count(list, '\n'), 36);
  EXPECT_NE(list.find("skipped\tbad 17\tkind b of 17\n"), std::string::npos) << list;
}

// Stopped between the report and dataset.json: the next try takes the parts, and has their lines all the same.
TEST(PackReportOf, ALaterTryHasTheLinesOfPartsThatItTakes) {
  const test::TempFolder folder;
  Source source(2);
  const PackSource opened = source.open();
  const std::vector<PackedPart> parts = pack_parts(opened, folder / "set");
  const std::vector<std::uint64_t> reported = {0, 1};
  join_pack_report(folder / "set", reported);
  const std::string list = read_text_file(folder / "set" / kPackReportName);
  const std::vector<PackedPart> again = pack_parts(opened, folder / "set");
  EXPECT_EQ(report_of(again).reused, 2U);
  finish_set(opened, again, folder / "set");
  EXPECT_EQ(read_text_file(folder / "set" / kPackReportName), list);
  for (const auto& entry : fs::directory_iterator(folder / "set")) {
    EXPECT_EQ(entry.path().native().find(".part"), std::string::npos) << entry.path();
  }
}

TEST(PackReportOf, EveryBrokenPartIsNamedAndTheRestIsPacked) {
  const test::TempFolder folder;
  Source source(4);
  source.broken[1] = "one.tar: broken";
  source.broken[3] = "three.tar: broken";
  const PackSource opened = source.open();
  const std::vector<PackedPart> parts = pack_parts(opened, folder / "set");
  EXPECT_EQ(report_of(parts).broken, (std::vector<std::string>{"one.tar: broken", "three.tar: broken"}));
  EXPECT_EQ(finish_set(opened, parts, folder / "set").count, 8U);  // what was read before the damage counts
}

TEST(PackAgain, PartsOfAnEarlierTryAreTaken) {
  const test::TempFolder folder;
  Source source(3);
  source.broken[1] = "one.tar: broken";
  pack_parts(source.open(), folder / "set");
  source.broken[1].clear();
  const PackSource opened = source.open();
  const std::vector<PackedPart> parts = pack_parts(opened, folder / "set");
  EXPECT_EQ(source.reads, (std::vector<int>{1, 2, 1}));
  EXPECT_EQ(report_of(parts).reused, 2U);
  EXPECT_EQ(finish_set(opened, parts, folder / "set").count, 9U);
  EXPECT_TRUE(PackedSet(folder / "set").verify().empty());
  // The same as packed at once.
  Source other(3);
  const PackSource whole = other.open();
  finish_set(whole, pack_parts(whole, folder / "whole"), folder / "whole");
  for (const auto& entry : fs::directory_iterator(folder / "whole")) {
    EXPECT_EQ(read_text_file(entry.path()), read_text_file(folder / "set" / entry.path().filename()));
  }
  for (const auto& entry : fs::directory_iterator(folder / "set")) {
    EXPECT_TRUE(fs::exists(folder / "whole" / entry.path().filename())) << entry.path();  // nothing is left over
  }
}

TEST(PackAgain, OtherInputOrOptionsAreReadAgain) {
  const test::TempFolder folder;
  Source source(2);
  pack_parts(source.open(), folder / "set");
  source.version = "2";
  pack_parts(source.open(), folder / "set");
  EXPECT_EQ(source.reads, (std::vector<int>{2, 2}));
  fs::resize_file(folder / "set" / "shard_00001.h5", 100);
  pack_parts(source.open(), folder / "set");
  EXPECT_EQ(source.reads, (std::vector<int>{2, 3}));
}

TEST(PackAgain, ASetKnowsWhatItWasMadeOf) {
  const test::TempFolder folder;
  Source source(2);
  const PackSource opened = source.open();
  finish_set(opened, pack_parts(opened, folder / "set"), folder / "set");
  EXPECT_EQ(read_dataset_json(folder / "set").recipe, recipe_of(opened));
  source.version = "2";
  EXPECT_NE(read_dataset_json(folder / "set").recipe, recipe_of(source.open()));
}

TEST(ClassNames, ThatAreNoUtf8AreCountedAndReplaced) {
  const test::TempFolder folder;
  Source source(1);
  PackSource opened = source.open();
  opened.classnames["label"] = {"caf\xE9", "tea", std::string("co\0coa", 6)};
  const std::string log =
      test::logged(0, [&] { finish_set(opened, pack_parts(opened, folder / "set"), folder / "set"); });
  EXPECT_NE(log.find("2 class names are not UTF-8, or hold NUL"), std::string::npos) << log;
  EXPECT_EQ(PackedSet(folder / "set").classnames(), (std::vector<std::string>{"caf\xEF\xBF\xBD", "tea",
                                                                              "co\xEF\xBF\xBD"
                                                                              "coa"}));
}

TEST(SetWithoutCaptions, IsRefusedForWhatNeedsThem) {
  const test::TempFolder folder;
  Source source(1);
  source.with_captions = false;
  const PackSource opened = source.open();
  finish_set(opened, pack_parts(opened, folder / "set"), folder / "set");
  test::expect_error(ErrorKind::input, {"has no captions", "training", "zero-shot"},
                     [&] { PackedSet(folder / "set").require_captions("training"); });
  const auto some = test::make_set(folder / "some", 4, 100, "raw", [](std::uint64_t i) {
    PackedSample sample = test::grey_sample(i);
    if (i == 2) sample.captions.clear();
    return sample;
  });
  some->require_captions("training");
  test::expect_error(ErrorKind::input, {"without a caption"}, [&] { some->require_captions("retrieval", true); });
}

// --- twins -----------------------------------------------------------------------------------------------------------

std::shared_ptr<PackedSet> set_with_uids(const fs::path& folder, const std::vector<std::uint64_t>& uids) {
  return test::make_set(folder, uids.size(), 4, "raw", [&](std::uint64_t i) {
    PackedSample sample = test::grey_sample(i);
    sample.uid = {uids[i], 7};
    return sample;
  });
}

TEST(Twins, AllButTheFirstGetAnotherUid) {
  const test::TempFolder folder;
  const auto set = set_with_uids(folder / "set", {1, 2, 3, 2, 4, 5, 2, 6, 1, 9});
  for (const int world : {1, 3}) {
    for (const std::uint64_t memory : {std::uint64_t{2}, std::uint64_t{1000}}) {
      std::vector<Twin> twins;
      for (int rank = 0; rank < world; ++rank) {
        const std::vector<Twin> some = find_twins(folder / "set", set->info().shards, rank, world, memory);
        twins.insert(twins.end(), some.begin(), some.end());
      }
      std::ranges::sort(twins, {}, [](const Twin& twin) { return std::pair{twin.shard, twin.row}; });
      ASSERT_EQ(twins.size(), 3U) << world << " ranks, " << memory;
      EXPECT_EQ(twins[0].shard, 0U);
      EXPECT_EQ(twins[0].row, 3U);
      EXPECT_EQ(twins[1].shard, 1U);
      EXPECT_EQ(twins[1].row, 2U);
      EXPECT_EQ(twins[2].shard, 2U);
      EXPECT_EQ(twins[2].row, 0U);
      EXPECT_NE(twins[0].uid, twins[1].uid);
      EXPECT_EQ(twins_from_text(twins_to_text(twins))[1].uid, twins[1].uid);
    }
  }
}

TEST(Twins, TooManyMeanThatAnInputIsGivenTwice) {
  const test::TempFolder folder;
  const auto set = set_with_uids(folder / "set", {1, 2, 3, 1, 2, 3});
  EXPECT_EQ(find_twins(folder / "set", set->info().shards, 0, 1, 1000, 3).size(), 3U);
  test::expect_error(ErrorKind::input, {"more than 2 samples", "given twice"},
                     [&] { find_twins(folder / "set", set->info().shards, 0, 1, 1000, 2); });
}

TEST(Twins, ARenamedShardIsWhole) {
  const test::TempFolder folder;
  DatasetInfo info = set_with_uids(folder / "set", {1, 1, 3, 1})->info();
  const std::vector<Twin> twins = find_twins(folder / "set", info.shards, 0, 1);
  ASSERT_EQ(twins.size(), 2U);
  info.shards[0] = rename_twins(folder / "set", info.shards[0], info.label_names, twins);
  write_dataset_json(folder / "set", info);
  const PackedSet set(folder / "set");
  EXPECT_TRUE(set.verify().empty());
  EXPECT_EQ(set.uid(0), (std::array<std::uint64_t, 2>{1, 7}));
  EXPECT_EQ(set.uid(1), twins[0].uid);
  EXPECT_EQ(set.uid(3), twins[1].uid);
  EXPECT_EQ(set.read(1).captions, "caption 1");
  EXPECT_TRUE(find_twins(folder / "set", info.shards, 0, 1).empty());
}

}  // namespace
}  // namespace clip_hpc
