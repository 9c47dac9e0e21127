// Every number of an evaluation is the same, to the last bit, for any number of ranks and on each of them.
#include <gtest/gtest.h>

#include "clip_hpc/eval/tasks/retrieval.hpp"
#include "clip_hpc/eval/tasks/zeroshot.hpp"
#include "clip_hpc/eval/text_features.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/eval/eval_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

// Runs `evaluate` on one rank and on all of them.
template <class Evaluate>
void compare(const Evaluate& evaluate) {
  const test::SharedFolder folder;
  test::on_rank_0([&] { test::write_noise_set(folder / "set"); });
  const PackedSet set(folder / "set");
  const auto tokenizer = Tokenizer::load(folder / "set" / kTokenizerFileName);
  ModelConfig config = parse_model_config(Json::parse(test::kTinyModel), "tiny");
  config.text["eos_id"] = tokenizer.eos_id();
  ClipModel model(config, at::kFloat);
  model.initialise("clip_hpc", 3);
  const auto self = make_self_communicator();
  const auto all = make_mpi_communicator(test_world());
  evaluate(EvalContext{*self, model, tokenizer}, EvalContext{*all, model, tokenizer}, set);
}

TEST(TasksOnRanks, Zeroshot) {
  compare([](const EvalContext& self, const EvalContext& all, const PackedSet& set) {
    for (const std::string label : {"label", "label_size"}) {
      const ZeroshotOutcome one = evaluate_zeroshot(self, set, label, 12),
                            many = evaluate_zeroshot(all, set, label, 12);
      EXPECT_EQ(one.metrics, many.metrics);
      EXPECT_EQ(one.n, many.n);
      EXPECT_EQ(one.classes, many.classes);
      ASSERT_EQ(many.pictures.size(), 12U);
      for (std::size_t i = 0; i < 12; ++i) {
        EXPECT_EQ(one.pictures[i].index, many.pictures[i].index);
        EXPECT_EQ(one.pictures[i].classes, many.pictures[i].classes);
        EXPECT_EQ(one.pictures[i].scores, many.pictures[i].scores);
      }
    }
  });
}

TEST(TasksOnRanks, ZeroshotOfASubset) {
  compare([](const EvalContext& self, const EvalContext& all, const PackedSet& set) {
    const auto file = set.folder() / "some.txt";
    test::on_rank_0([&] { test::write_lines(file, {"blue", "red", "1", "grey"}); });
    const ZeroshotOutcome one = evaluate_zeroshot(self, set, "label", 12, {.classes = file});
    const ZeroshotOutcome many = evaluate_zeroshot(all, set, "label", 12, {.classes = file});
    EXPECT_EQ(one.metrics, many.metrics);
    EXPECT_EQ(one.n, many.n);
    ASSERT_EQ(one.by_class.size(), 4U);
    ASSERT_EQ(many.by_class.size(), 4U);
    for (std::size_t c = 0; c < 4; ++c) EXPECT_EQ(one.by_class[c].right, many.by_class[c].right);
  });
}

TEST(TasksOnRanks, ClassFeatures) {
  compare([](const EvalContext& self, const EvalContext& all, const PackedSet& set) {
    std::vector<std::string> names;  // five blocks of prompts
    for (int i = 0; i < 100; ++i)
      names.push_back(fmt::format("{} {}", test::things()[static_cast<std::size_t>(i % 7)], i));
    EXPECT_TRUE(at::equal(class_features(self, names, set.templates()), class_features(all, names, set.templates())));
  });
}

TEST(TasksOnRanks, Retrieval) {
  compare([](const EvalContext& self, const EvalContext& all, const PackedSet& set) {
    for (const bool first_only : {false, true}) {
      const RetrievalOutcome one = evaluate_retrieval(self, set, first_only);
      const RetrievalOutcome many = evaluate_retrieval(all, set, first_only);
      EXPECT_EQ(one.metrics, many.metrics);
      EXPECT_EQ(one.images, many.images);
      EXPECT_EQ(one.texts, many.texts);
    }
  });
}

}  // namespace
}  // namespace clip_hpc
