#include "clip_hpc/eval/samples.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/eval/zeroshot_task.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

// Two classes may share a name, as two of ImageNet's do: each keeps its own head, in the order of the lists.
TEST(MatchClasses, ThoseOfOneNameAreMatchedInTheirOrder) {
  const test::TempFolder folder;
  test::write_noise_set(folder / "set", 200);
  const std::vector<std::string> names = test::colours();
  std::vector<std::string> twins = names;
  twins[3] = twins[1];
  test::write_lines(folder / "set/classnames.txt", twins);
  const PackedSet set(folder / "set");
  const TrainClasses train = train_classes(set, "label");
  ASSERT_EQ(train.names.size(), names.size() - 1);  // the last colour never occurs
  const TestSamples matched = match_classes(set, "label", train);
  for (std::size_t i = 0; i < matched.columns.size(); ++i) EXPECT_EQ(matched.columns[i], static_cast<std::int64_t>(i));
  EXPECT_EQ(std::vector<std::int64_t>(train.labels), matched.samples.y);
}

// The first of two classes of one name has no training image: the second keeps its own head, and the first has none.
TEST(MatchClasses, AClassWithoutTrainingImagesDoesNotTakeTheHeadOfItsNamesake) {
  const test::TempFolder folder;
  const auto written = [&](const std::string& name, const std::vector<std::int32_t>& labels) {
    DatasetInfo info;
    info.name = "twins";
    info.encoding = "raw";
    info.channels = 3;
    info.source = "test";
    SetWriter writer(folder / name, info, {.samples_per_shard = 64});
    for (std::size_t i = 0; i < labels.size(); ++i) {
      PackedSample sample = test::noise_sample(i);
      sample.labels = {{"label", labels[i]}};
      writer.add(sample);
    }
    writer.finish();
    test::write_lines(folder / name / "classnames.txt", {"crane", "crane", "tench"});
    return PackedSet(folder / name);
  };
  const TrainClasses train = train_classes(written("train", {1, 2, 1, 2}), "label");
  ASSERT_EQ(train.names, (std::vector<std::string>{"crane", "tench"}));
  const TestSamples matched = match_classes(written("test", {0, 1, 2, 0}), "label", train);
  EXPECT_EQ(matched.columns, (std::vector<std::int64_t>{0, 1}));            // heads of class 1 and class 2
  EXPECT_EQ(matched.samples.y, (std::vector<std::int64_t>{-1, 0, 1, -1}));  // class 0 has none: wrong, whatever is said
}

// A list of right classes in another order than the set would give numbers, too: it is refused.
TEST(ZeroshotTask, RightClassesInAnotherOrderAreRefused) {
  const test::TempFolder folder;
  constexpr std::uint64_t kCount = 1200;
  test::write_noise_set(folder / "set", kCount);
  const PackedSet set(folder / "set");
  const auto classes = static_cast<std::int32_t>(test::colours().size());
  Json right = Json::array(), other = Json::array();
  for (const std::int32_t label : set.all_labels("label")) {
    right.push_back({label});
    other.push_back({(label + 1) % classes});
  }
  write_file_atomic(folder / "right.json", right.dump());
  write_file_atomic(folder / "other.json", other.dump());
  ZeroshotFiles files;
  files.multilabel = folder / "right.json";
  EXPECT_EQ(zeroshot_task(set, "label", files).samples.size(), kCount);
  files.multilabel = folder / "other.json";
  test::expect_error(ErrorKind::input, {"only 0 of 1200 samples", "another order"},
                     [&] { zeroshot_task(set, "label", files); });
}

}  // namespace
}  // namespace clip_hpc
