#include "clip_hpc/eval/tasks/task.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(EvalTasks, AreToldApartByNameAndByResult) {
  std::set<std::string> names, results;
  for (const EvalTask& task : eval_tasks()) {
    EXPECT_TRUE(names.insert(task.name).second) << task.name;
    EXPECT_TRUE(results.insert(task.result_task).second) << task.result_task;
    EXPECT_EQ(&find_eval_task(task.name), &task);
  }
  test::expect_error(ErrorKind::input, {"\"retreival\"", "did you mean retrieval", "linear_probe"},
                     [] { find_eval_task("retreival"); });
}

TEST(EvalTasks, ARowIsComplete) {
  for (const EvalTask& task : eval_tasks()) {
    EXPECT_NE(task.run == nullptr, task.run_head == nullptr) << task.name;
    EXPECT_EQ(task.heads != nullptr, task.learns()) << task.name;
    EXPECT_NE(std::ranges::find(task.metrics, task.main_metric), task.metrics.end()) << task.name;
    EXPECT_FALSE(task.variants({}).empty()) << task.name;
  }
}

TEST(EvalTasks, VariantsNameWhatWasAskedFor) {
  EvalOptions options;
  options.shots = {"1", "5"};
  options.l2 = {"1024", "0.5"};
  EXPECT_EQ(find_eval_task("fewshot").variants(options), (Strings{"1-shot pooled l2=1024", "1-shot pooled l2=0.5",
                                                                  "5-shot pooled l2=1024", "5-shot pooled l2=0.5"}));
  options.probes = {"sgd", "adamw"};
  EXPECT_EQ(find_eval_task("linear_probe").variants(options), (Strings{"sgd pooled", "adamw projected"}));
  EXPECT_EQ(find_eval_task("zeroshot").variants(options), Strings{""});
  options.templates = "forms/paper.txt";
  options.canonicalise = true;
  EXPECT_EQ(find_eval_task("zeroshot").variants(options), Strings{"templates paper, canonical"});
  EXPECT_EQ(find_eval_task("retrieval").variants(options), Strings{""});
  options.shots = {"0"};
  test::expect_error(ErrorKind::input, {"eval.shots", "at least 1"},
                     [&] { find_eval_task("fewshot").variants(options); });
}

TEST(EvalTasks, HelpSaysWhatEachNeeds) {
  EXPECT_EQ(eval_tasks_help(),
            "`zeroshot` (sets with labels), `retrieval`, or with `train_data` `fewshot`, `linear_probe`");
}

}  // namespace
}  // namespace clip_hpc
