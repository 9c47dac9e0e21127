// Metrics against a computation of one sample at a time.
#include "clip_hpc/eval/tasks/zeroshot.hpp"

#include <gtest/gtest.h>

#include "tests/eval/one_by_one.hpp"
#include "tests/logged.hpp"

namespace clip_hpc {
namespace {

using test::dot;
using test::Vector;

class ZeroshotAccuracy : public test::OneByOne {};

TEST_F(ZeroshotAccuracy, ZeroshotEqualsPlacesCountedOneByOne) {
  std::vector<Vector> classes;
  for (const std::string& name : test::colours()) classes.push_back(class_vector(name));
  const std::vector<Vector> images = image_vectors();
  double top1 = 0, top5 = 0;
  std::map<std::size_t, std::pair<double, double>> by_class;  // right, all
  for (std::size_t i = 0; i < images.size(); ++i) {
    Vector scores;
    for (const Vector& one : classes) scores.push_back(dot(images[i], one));
    const std::size_t truth = i % 7, found = place(scores, truth);
    top1 += found == 0 ? 1 : 0;
    top5 += found < 5 ? 1 : 0;
    by_class[truth].first += found == 0 ? 1 : 0;
    by_class[truth].second += 1;
  }
  double recall = 0;
  for (const auto& [truth, counts] : by_class) recall += counts.first / counts.second / 7;  // the eighth has no picture

  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 0);
  const auto n = static_cast<double>(images.size());
  EXPECT_EQ(outcome.n, 150);
  EXPECT_EQ(outcome.classes, 8);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("acc1"), top1 / n);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("acc5"), top5 / n);
  EXPECT_NEAR(outcome.metrics.at("mean_per_class_recall"), recall, 1e-12);
  EXPECT_GT(top1, 0);
  EXPECT_GT(top5, top1);
  EXPECT_LT(top5, n);
  EXPECT_TRUE(outcome.pictures.empty());
}

TEST_F(ZeroshotAccuracy, FewerThanFiveClassesHaveNoTopFive) {
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label_size", 4);
  EXPECT_EQ(outcome.classes, 3);
  EXPECT_EQ(outcome.metrics.count("acc5"), 0U);
  EXPECT_EQ(outcome.metrics.count("acc1"), 1U);
  ASSERT_EQ(outcome.pictures.size(), 4U);
  for (const TopNames& top : outcome.pictures) EXPECT_EQ(top.classes.size(), 3U);
}

TEST_F(ZeroshotAccuracy, TemplatesThatLeaveNoRoomForTheNameAreSaid) {
  test::write_lines(*folder_ / "long.txt", {"{c}", "a b c d e f g h i j k l m n o p q r s t u v w x y z {c}"});
  const std::string log =
      test::logged(0, [&] { evaluate_zeroshot(context_, set_, "label", 0, {.templates = *folder_ / "long.txt"}); });
  EXPECT_NE(log.find("warning: 8 of 16 prompts lose the class name"), std::string::npos) << log;
  EXPECT_NE(log.find("y z red"), std::string::npos) << log;
}

TEST_F(ZeroshotAccuracy, ASubsetIsComparedWithItselfAlone) {
  test::write_lines(*folder_ / "some.txt", {"blue", "red", "brown"});
  std::vector<Vector> classes;
  for (const char* name : {"blue", "red", "brown"}) classes.push_back(class_vector(name));
  const std::vector<Vector> images = image_vectors();
  std::map<std::size_t, std::pair<std::int64_t, std::int64_t>> by_class;  // of the set: right, all
  double top1 = 0, n = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (i % 7 != 0 && i % 7 != 2) continue;
    Vector scores;
    for (const Vector& one : classes) scores.push_back(dot(images[i], one));
    const bool right = place(scores, i % 7 == 2 ? 0 : 1) == 0;
    top1 += right ? 1 : 0;
    n += 1;
    by_class[i % 7].first += right ? 1 : 0;
    by_class[i % 7].second += 1;
  }
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 1000, {.classes = *folder_ / "some.txt"});
  EXPECT_EQ(outcome.n, 44);
  EXPECT_EQ(outcome.left_out, 106);
  EXPECT_EQ(outcome.classes, 3);
  EXPECT_DOUBLE_EQ(outcome.chance, 1.0 / 3);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("acc1"), top1 / n);
  EXPECT_GT(top1, 0);
  EXPECT_LT(top1, n);
  EXPECT_EQ(outcome.metrics.count("acc5"), 0U);
  ASSERT_EQ(outcome.by_class.size(), 2U);
  for (const auto& one : outcome.by_class) {
    const auto& [right, all] = by_class.at(static_cast<std::size_t>(one.truth));
    EXPECT_EQ(one.n, all);
    EXPECT_EQ(one.right, right);
    EXPECT_EQ(one.mistaken_for >= 0, right < all);
    EXPECT_LE(one.times, all - right);
  }
  ASSERT_EQ(outcome.pictures.size(), 44U);
  for (const TopNames& top : outcome.pictures) EXPECT_EQ(top.truth, static_cast<std::int32_t>(top.index % 7));
}

// Right is whatever a sample's list holds: with all classes right, all is right; with the lists of one class each it is
// plain zero-shot.
TEST_F(ZeroshotAccuracy, AnyOfTheRightClassesCounts) {
  const ZeroshotOutcome plain = evaluate_zeroshot(context_, set_, "label", 0);
  const auto with = [&](const std::function<std::string(std::uint64_t)>& list) {
    std::string text;
    for (std::uint64_t i = 0; i < set_.count(); ++i) text += (i == 0 ? "[" : ", ") + list(i);
    write_file_atomic(*folder_ / "right.json", text + "]");
    return evaluate_zeroshot(context_, set_, "label", 0, {.multilabel = *folder_ / "right.json"});
  };
  const ZeroshotOutcome same = with([](std::uint64_t i) { return fmt::format("[{}]", i % 7); });
  EXPECT_DOUBLE_EQ(same.metrics.at("acc1"), plain.metrics.at("acc1"));
  EXPECT_DOUBLE_EQ(same.metrics.at("acc5"), plain.metrics.at("acc5"));
  EXPECT_EQ(same.metrics.count("mean_per_class_recall"), 0U);
  const ZeroshotOutcome all = with([](std::uint64_t i) { return i < 10 ? "[]" : "[0, 1, 2, 3, 4, 5, 6, 7]"; });
  EXPECT_EQ(all.n, 140);
  EXPECT_EQ(all.left_out, 10);
  EXPECT_DOUBLE_EQ(all.metrics.at("acc1"), 1);
  EXPECT_DOUBLE_EQ(all.chance, 1);
  // two right classes: as often right as either of them is called
  const auto share = [&](const std::string& list) {
    return with([&](std::uint64_t) { return list; }).metrics.at("acc1");
  };
  double sum = 0;
  for (int c = 0; c < 8; ++c) sum += share(fmt::format("[{}]", c));
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_NEAR(share("[1, 4]"), share("[1]") + share("[4]"), 1e-12);
}

TEST_F(ZeroshotAccuracy, RecallOfEachClassAsCsv) {
  ZeroshotOutcome outcome;
  outcome.truths = {"a", "b, c", "d"};
  outcome.names = {"a", "the \"b\"", "d"};
  outcome.by_class = {{0, 4, 3, 1, 1}, {1, 2, 0, 2, 2}, {2, 1, 1, -1, 0}};
  EXPECT_EQ(per_class_csv(outcome),
            "class,n,right,recall,mistaken_for,times\n"
            "\"b, c\",2,0,0.0000,d,2\na,4,3,0.7500,\"the \"\"b\"\"\",1\nd,1,1,1.0000,,0\n");
}

TEST_F(ZeroshotAccuracy, TemplatesAndNamesOfFiles) {
  test::write_lines(*folder_ / "forms.txt", {"A {} House."});
  const ZeroshotFiles files{.templates = *folder_ / "forms.txt", .canonicalise = true};
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 3, files);
  const std::vector<Vector> images = image_vectors();
  ASSERT_EQ(outcome.pictures.size(), 3U);
  for (const TopNames& top : outcome.pictures) {
    const std::string name = test::colours()[static_cast<std::size_t>(top.classes[0])];
    EXPECT_NEAR(top.scores[0], dot(images[top.index], text_vector("a " + name + " house")), 2e-6);
  }
}

TEST_F(ZeroshotAccuracy, PicturesAreSpreadOverTheSetWithTheirBestNamesFirst) {
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 5);
  ASSERT_EQ(outcome.pictures.size(), 5U);
  const std::vector<Vector> images = image_vectors();
  for (std::size_t i = 0; i < 5; ++i) {
    const TopNames& top = outcome.pictures[i];
    EXPECT_EQ(top.index, 30 * i);
    EXPECT_EQ(top.truth, static_cast<std::int32_t>(top.index % 7));
    ASSERT_EQ(top.classes.size(), 3U);
    EXPECT_GE(top.scores[0], top.scores[1]);
    for (std::size_t k = 0; k < 3; ++k) {
      const Vector name = class_vector(test::colours()[static_cast<std::size_t>(top.classes[k])]);
      EXPECT_NEAR(top.scores[k], dot(images[top.index], name), 2e-6);
    }
  }
  EXPECT_EQ(evaluate_zeroshot(context_, set_, "label", 1000).pictures.size(), 150U);
}

TEST_F(ZeroshotAccuracy, UnfitClassNamesAndTemplatesAreBadInput) {
  const test::TempFolder folder;
  test::write_noise_set(folder / "set", 10);
  const PackedSet set(folder / "set");
  test::write_lines(folder / "set/classnames.txt", {"red", "green"});
  test::expect_error(ErrorKind::input, {"set", "outside the 2 class names"},
                     [&] { evaluate_zeroshot(context_, set, "label", 0); });
  test::write_lines(folder / "set/classnames.txt", test::colours());
  test::write_lines(folder / "set/zeroshot_classification_templates.txt", {"a picture"});
  test::expect_error(ErrorKind::input, {"a picture", "{c} or {}"},
                     [&] { evaluate_zeroshot(context_, set, "label", 0); });
}

}  // namespace
}  // namespace clip_hpc
