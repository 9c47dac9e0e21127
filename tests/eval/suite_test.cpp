#include "clip_hpc/eval/suite.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

class SuiteFile : public testing::Test {
 protected:
  Suite read(const std::string& text, const EvalOptions& defaults = {}) const {
    write_file_atomic(folder_ / "some.cfg", text);
    return read_suite(folder_ / "some.cfg", "/data", defaults);
  }
  void refuses(const std::string& text, const std::vector<std::string>& words) const {
    test::expect_error(ErrorKind::input, words, [&] { read(text); });
  }
  test::TempFolder folder_;
};

TEST_F(SuiteFile, SectionsAreEvaluations) {
  const Suite suite = read(R"(# what is tested
[suite]
view = eval
shots = 1
shots = 2
average = both : one, few   # shown
average = all: *
[one]
path = one/test
templates = one/prompts.txt
[few]
dataset = one
path = one/test
task = fewshot
train_data = one/train
shots = 5
view = resize
[captions]
path = coco/test
task = retrieval
metric = mean_recall@1
[probe]
path = one/test
task = linear_probe
train_data = /elsewhere/train
)");
  EXPECT_EQ(suite.name, "some");
  ASSERT_EQ(suite.entries.size(), 4U);
  const SuiteEntry& one = suite.entries[0];
  EXPECT_EQ(one.dataset, "one");
  EXPECT_EQ(one.task, "zeroshot");
  EXPECT_EQ(one.metric, "acc1");
  EXPECT_EQ(one.options.data, std::vector<std::string>{"/data/one/test"});
  EXPECT_EQ(one.options.tasks, std::vector<std::string>{"zeroshot"});
  EXPECT_EQ(one.options.templates, "/data/one/prompts.txt");
  EXPECT_EQ(one.options.view, "eval");
  const SuiteEntry& few = suite.entries[1];
  EXPECT_EQ(few.dataset, "one");
  EXPECT_EQ(few.options.shots, std::vector<std::string>{"5"});
  EXPECT_EQ(few.options.view, "resize");
  EXPECT_EQ(few.options.train_data, "/data/one/train");
  EXPECT_EQ(suite.entries[2].metric, "mean_recall@1");
  EXPECT_EQ(suite.entries[3].options.shots, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(suite.entries[3].options.train_data, "/elsewhere/train");
  ASSERT_EQ(suite.averages.size(), 2U);
  EXPECT_EQ(suite.averages[0].name, "both");
  EXPECT_EQ(suite.averages[0].sections, (std::vector<std::string>{"one", "few"}));
  EXPECT_EQ(suite.averages[1].sections.size(), 4U);
}

TEST_F(SuiteFile, WhatTheCommandSaysIsTheDefault) {
  EvalOptions defaults;
  defaults.view = "eval_longest";
  defaults.canonicalise = true;
  const Suite suite = read("[a]\npath = a\n[b]\npath = b\nview = eval\n", defaults);
  EXPECT_EQ(suite.entries[0].options.view, "eval_longest");
  EXPECT_TRUE(suite.entries[0].options.canonicalise);
  EXPECT_EQ(suite.entries[1].options.view, "eval");
}

TEST_F(SuiteFile, WhatIsWrongIsNamedWithItsPlace) {
  test::expect_error(ErrorKind::input, {"nowhere.cfg", "--suite"}, [] { read_suite("nowhere.cfg", "", {}); });
  refuses("", {"names no data set"});
  refuses("path = a\n", {"some.cfg:1", "[SECTION]"});
  refuses("[a]\npath\n", {"some.cfg:2", "\"path\""});
  refuses("[a]\npath = a\ntemplats = x\n", {"some.cfg:3", "unknown key \"templats\" in [a]", "\"templates\""});
  refuses("[a]\npath = a\ndata = x\n", {"some.cfg:3", "unknown key \"data\""});
  refuses("[suite]\nmetric = acc1\n[a]\npath = a\n", {"some.cfg:2", "unknown key \"metric\" in [suite]"});
  refuses("[a]\npath = a\n[a]\npath = b\n", {"some.cfg:3", "[a] is there twice"});
  refuses("[a]\npath = a\npath = b\n", {"some.cfg:3", "\"path\" is there twice"});
  refuses("[a]\nmetric = acc1\n", {"some.cfg:1", "[a] has no path"});
  refuses("[a]\npath = a\ntask = caption\n", {"some.cfg:1: [a]", "task must be one of"});
  refuses("[a]\npath = a\nmetric = acc2\n", {"[a]", "metric must be one of: acc1"});
  refuses("[a]\npath = a\ntask = retrieval\nmetric = acc1\n", {"[a]", "metric must be one of: mean_recall@1"});
  refuses("[a]\npath = a\nview = upside_down\n", {"[a]", "eval.view must be one of"});
  refuses("[a]\npath = a\ntask = fewshot\n", {"[a]", "fewshot needs train_data"});
  refuses("[a]\npath = a\ntask = fewshot\ntrain_data = b\nshots = few\n", {"[a]", "eval.shots takes numbers"});
  refuses("[a]\npath = a\n[b]\ndataset = a\npath = b\n", {"some.cfg:3", "[a] and [b]", "another dataset name"});
  refuses("[suite]\naverage = a, b\n[a]\npath = a\n", {"some.cfg:2", "average = NAME:"});
  refuses("[suite]\naverage = all: a, c\n[a]\npath = a\n", {"some.cfg:2", "[c], which is no section", "[a]"});
}

TEST(SuiteMetric, OfASection) {
  const std::map<std::string, double> metrics{{"image_retrieval_recall@1", 0.25}, {"text_retrieval_recall@1", 0.5}};
  EXPECT_EQ(suite_metric("mean_recall@1", metrics), 0.375);
  EXPECT_EQ(suite_metric("text_retrieval_recall@1", metrics), 0.5);
  EXPECT_EQ(suite_metric("acc5", metrics), std::nullopt);
  EXPECT_EQ(suite_metric("mean_recall@1", {}), std::nullopt);
}

TEST(SuiteFiles, ThoseOfTheRepositoryCanBeRead) {
  const char* source = std::getenv("CLIP_HPC_SOURCE_DIR");
  if (source == nullptr) GTEST_SKIP() << "CLIP_HPC_SOURCE_DIR is not set";
  const std::filesystem::path folder = std::filesystem::path(source) / "configs/suites";
  const std::map<std::string, std::size_t> sections{
      {"embedded", 8}, {"paper", 15}, {"vtab_plus", 35}, {"datacomp38", 33}};
  for (const auto& [name, count] : sections) {
    const Suite suite = read_suite(folder / (name + ".cfg"), "packed", {});
    EXPECT_EQ(suite.entries.size(), count) << name;
    EXPECT_GE(suite.averages.size(), 2U) << name;
  }
}

}  // namespace
}  // namespace clip_hpc
