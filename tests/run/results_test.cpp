#include "clip_hpc/run/results.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "tests/expect_error.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

Result sample_result() {
  Result result;
  result.dataset = "emoji_test";
  result.model = "vit_tiny";
  result.pretrained = "step_000000100";
  result.metrics = {{"acc1", 0.42}, {"acc5", 0.8}, {"mean_per_class_recall", std::nan("")}};
  result.run = "a";
  result.step = 100;
  result.samples_seen = 6400;
  result.n = 500;
  result.classes = 50;
  result.chance = 0.02;
  result.baseline = 0.11;
  result.baseline_name = "nearest pixels";
  result.predictions = {{"pictures/0.png", "cat", {"cat", "dog", "fox"}, {0.7, 0.2, std::nan("")}}};
  return result;
}

TEST(Results, EveryFieldComesBack) {
  const Scratch scratch;
  const auto file = scratch / "results.json";
  append_result(file, sample_result());
  const auto results = read_results(file);
  ASSERT_EQ(results.size(), 1U);
  const Result& read = results[0];
  EXPECT_EQ(read.dataset, "emoji_test");
  EXPECT_EQ(read.model, "vit_tiny");
  EXPECT_EQ(read.pretrained, "step_000000100");
  EXPECT_EQ(read.task, "zeroshot_classification");
  EXPECT_EQ(read.language, "en");
  EXPECT_EQ(read.metrics.at("acc1"), 0.42);
  EXPECT_TRUE(std::isnan(read.metrics.at("mean_per_class_recall")));
  EXPECT_EQ(read.run, "a");
  EXPECT_EQ(read.samples_seen, 6400);
  EXPECT_EQ(read.n, 500);
  EXPECT_EQ(read.classes, 50);
  EXPECT_EQ(read.chance, 0.02);
  EXPECT_EQ(read.baseline, 0.11);
  EXPECT_EQ(read.baseline_name, "nearest pixels");
  ASSERT_EQ(read.predictions.size(), 1U);
  EXPECT_EQ(read.predictions[0].names[2], "fox");
  EXPECT_EQ(read.predictions[0].scores[0], 0.7);
  EXPECT_TRUE(std::isnan(read.predictions[0].scores[2]));
  EXPECT_EQ(main_metric(read), "acc1");
}

TEST(Results, NestedTooDeepTheyAreDamaged) {
  const Scratch scratch;
  write_file_atomic(scratch / "results.json", std::string(300000, '['));
  test::expect_error(ErrorKind::storage, {"results.json", "nested deeper than"},
                     [&] { read_results(scratch / "results.json"); });
}

TEST(Results, SameEvaluationReplacesInPlaceAndOthersStay) {
  const Scratch scratch;
  const auto file = scratch / "results.json";
  Result result = sample_result();
  append_result(file, result);
  result.label = "ema";
  append_result(file, result);
  result.label = "";
  result.step = 200;
  append_result(file, result);
  result.task = kTaskRetrieval;
  result.metrics = {{"image_retrieval_recall@1", 0.3}, {"text_retrieval_recall@1", 0.4}};
  append_result(file, result);
  EXPECT_EQ(main_metric(result), "image_retrieval_recall@1");
  result = sample_result();
  result.metrics = {{"acc1", 0.5}};
  result.predictions.clear();
  result.chance.reset();
  append_result(file, result);
  const auto results = read_results(file);
  ASSERT_EQ(results.size(), 4U);
  EXPECT_EQ(results[0].metrics.at("acc1"), 0.5);
  EXPECT_FALSE(results[0].chance.has_value());
  EXPECT_TRUE(results[0].predictions.empty());
  EXPECT_EQ(results[1].label, "ema");
}

// Another view gives another number: it replaces nothing. A result of an earlier version does not say its view.
TEST(Results, TheViewIsPartOfWhatAResultIs) {
  const Scratch scratch;
  const auto file = scratch / "results.json";
  Result result = sample_result();
  append_result(file, result);
  result.view = "eval";
  append_result(file, result);
  ASSERT_EQ(read_results(file).size(), 1U);
  EXPECT_EQ(read_results(file)[0].view, "eval");
  result.view = "resize";
  result.metrics = {{"acc1", 0.1}};
  append_result(file, result);
  append_result(file, result);
  std::vector<Result> results = read_results(file);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].metrics.at("acc1"), 0.42);
  EXPECT_EQ(results[1].view, "resize");
  EXPECT_EQ(Json::parse(clip_benchmark_json(results[1])).at("view"), "resize");
  tell_views_apart(results);
  EXPECT_EQ(results[0].label, "view eval");
  EXPECT_EQ(results[1].label, "view resize");
  results.pop_back();
  results[0].label = "";
  tell_views_apart(results);
  EXPECT_EQ(results[0].label, "");
}

TEST(Results, VariantsOfATaskStandSideBySide) {
  const Scratch scratch;
  const auto file = scratch / "results.json";
  Result result = sample_result();
  result.task = kTaskProbe;
  result.variant = "adamw projected";
  result.train_data = "emoji/train";
  result.hyper = {{"weight_decay", 0.01}};
  append_result(file, result);
  result.variant = "lbfgs pooled";
  result.hyper = {{"C", 3}};
  append_result(file, result);
  result.hyper = {{"C", 5}};
  append_result(file, result);
  const auto results = read_results(file);
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].variant, "adamw projected");
  EXPECT_EQ(results[0].train_data, "emoji/train");
  EXPECT_EQ(results[0].hyper.at("weight_decay"), 0.01);
  EXPECT_EQ(results[1].hyper.at("C"), 5);
  EXPECT_EQ(main_metric(results[1]), "acc1");
}

TEST(Results, FieldsOfANewerVersionSurvive) {
  const Scratch scratch;
  const auto file = scratch / "results.json";
  write_file_atomic(file, R"([{"dataset":"d","task":"t","metrics":{"acc1":1},"news":5}])");
  append_result(file, sample_result());
  EXPECT_EQ(read_json_file(file)[0]["news"], 5);
  EXPECT_EQ(read_results(file).size(), 2U);
}

TEST(Results, BytesThatAreNoUtf8AreReplaced) {
  const Scratch scratch;
  Result result = sample_result();
  result.predictions[0].truth = "caf\xe9";
  append_result(scratch / "results.json", result);
  EXPECT_EQ(read_results(scratch / "results.json")[0].predictions[0].truth, "caf\xEF\xBF\xBD");
}

TEST(Results, CorruptFilesAreNamed) {
  const Scratch scratch;
  const auto file = scratch / "results.json";
  for (const char* broken :
       {"", "[{", "{}", "[1]", "[{\"dataset\":\"d\"}]", "[{\"dataset\":1,\"task\":\"t\",\"metrics\":{}}]",
        "[{\"dataset\":\"d\",\"task\":\"t\",\"metrics\":{\"acc1\":\"x\"}}]"}) {
    write_file_atomic(file, broken);
    try {
      read_results(file);
      FAIL() << broken;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::storage);
      EXPECT_NE(std::string(error.what()).find(file.native()), std::string::npos) << error.what();
    }
  }
  write_file_atomic(file, "[{");
  EXPECT_THROW(append_result(file, sample_result()), Error);  // never overwrites what it cannot read
  EXPECT_EQ(read_text_file(file), "[{");
}

TEST(ClipBenchmark, OneResultAsItsOwnProgramWritesIt) {
  const Json json = Json::parse(clip_benchmark_json(sample_result()));
  EXPECT_EQ(json.at("dataset"), "emoji_test");
  EXPECT_EQ(json.at("task"), kTaskZeroshot);
  EXPECT_EQ(json.at("metrics").at("acc1"), 0.42);
  EXPECT_EQ(json.at("n"), 500);
  EXPECT_FALSE(json.contains("predictions"));
  EXPECT_FALSE(json.contains("train_data"));

  Result probe = sample_result();
  probe.task = kTaskProbe;
  probe.train_data = "emoji/train";
  probe.variant = "adamw projected";
  probe.hyper = {{"weight_decay", 0.5}};
  const Json of_probe = Json::parse(clip_benchmark_json(probe));
  EXPECT_EQ(of_probe.at("metrics").at("lp_acc1"), 0.42);
  EXPECT_EQ(of_probe.at("metrics").at("weight_decay"), 0.5);
  EXPECT_FALSE(of_probe.at("metrics").contains("acc1"));
}

TEST(ClipBenchmark, FilesAreNamedAsByItsDefault) {
  Result result = sample_result();
  result.dataset = "vtab/caltech101";
  EXPECT_EQ(clip_benchmark_file(result), "vtab_caltech101_step_000000100_vit_tiny_en_zeroshot_classification.json");
  result.variant = "templates imagenet_80";  // another suite may have the set without it
  EXPECT_EQ(clip_benchmark_file(result),
            "vtab_caltech101_templates_imagenet_80_step_000000100_vit_tiny_en_zeroshot_classification.json");
  result.label = "group";
  EXPECT_EQ(clip_benchmark_file(result),
            "vtab_caltech101_group_templates_imagenet_80_step_000000100_vit_tiny_en_zeroshot_classification.json");
  Result few = sample_result();
  few.task = kTaskFewshot;
  few.train_data = "emoji/train";
  few.variant = "5-shot pooled l2=1024";
  EXPECT_EQ(clip_benchmark_file(few), "emoji_test_5-shot_pooled_l2_1024_step_000000100_vit_tiny_en_fewshot.json");
}

}  // namespace
}  // namespace clip_hpc
