// What an evaluation returns is what it writes, on any number of ranks.
#include "clip_hpc/eval/jobs/evaluate_all.hpp"

#include "tests/eval/eval_mpi_fixture.hpp"

namespace clip_hpc {
namespace {

class EvaluateAll : public testing::Test, protected test::OnAllRanks {
 protected:
  EvaluateAll() {
    options_.data = {(folder_ / "set").native()};
    options_.train_data = options_.data.front();
    options_.tasks = {"zeroshot", "retrieval", "fewshot", "linear_probe"};
    options_.shots = {"2"};
    options_.fewshot_seeds = 1;
    options_.probe_lr = {"0.1"};
    options_.probe_epochs = 2;
    options_.pictures = 3;
    options_.per_class = true;
  }
  std::ptrdiff_t files_in(const char* name) const {
    const std::filesystem::directory_iterator files(run_.path / name);
    return std::distance(begin(files), end(files));
  }

  Evaluated evaluate(std::int64_t step) {
    return evaluate_all(test_world(), context(), options_, run_, {.step = step, .samples_seen = 64}, "tiny");
  }
  EvalOptions options_;
  RunFolder run_{folder_ / "run"};
};

TEST_F(EvaluateAll, ReturnsWhatItWrites) {
  EXPECT_FALSE(is_evaluated(test_world(), options_, run_, 7));
  const Evaluated outcome = evaluate(7);
  EXPECT_TRUE(outcome.finished);
  EXPECT_TRUE(outcome.failures.empty());
  ASSERT_EQ(outcome.results.size(), 7U);  // two labels, but one retrieval
  EXPECT_TRUE(is_evaluated(test_world(), options_, run_, 7));
  EXPECT_FALSE(is_evaluated(test_world(), options_, run_, 8));
  test::on_rank_0([&] {
    const std::vector<Result> written = read_results(run_.results_file());
    ASSERT_EQ(written.size(), outcome.results.size());
    for (std::size_t i = 0; i < written.size(); ++i) {
      EXPECT_EQ(written[i].task, outcome.results[i].task);
      EXPECT_EQ(written[i].label, outcome.results[i].label);
      EXPECT_EQ(written[i].variant, outcome.results[i].variant);
      EXPECT_EQ(written[i].metrics, outcome.results[i].metrics);
      EXPECT_EQ(written[i].predictions.size(), outcome.results[i].predictions.size());
    }
    EXPECT_EQ(files_in("pictures"), 3);
    EXPECT_EQ(files_in("per_class"), 2 * 2);  // a table and a matrix for each label
  });
}

TEST_F(EvaluateAll, TablesOfALaterStepStay) {
  options_.tasks = {"zeroshot"};
  evaluate(7);
  evaluate(6);
  test::on_rank_0([&] {
    EXPECT_EQ(read_results(run_.results_file()).size(), 4U);
    int tables = 0;
    for (const auto& entry : std::filesystem::directory_iterator(run_.path / "per_class")) {
      if (entry.path().extension() != ".json") continue;
      EXPECT_EQ(read_json_file(entry.path()).at("step"), 7) << entry.path();
      tables += 1;
    }
    EXPECT_EQ(tables, 2);
  });
}

TEST_F(EvaluateAll, ATaskThatFailsCostsItselfAlone) {
  options_.tasks = {"zeroshot", "retrieval", "fewshot"};
  options_.labels = {"label"};
  options_.train_data = (folder_ / "none").native();
  const Evaluated outcome = evaluate(7);
  EXPECT_TRUE(outcome.finished);
  ASSERT_EQ(outcome.failures.size(), 1U);
  EXPECT_EQ(outcome.failures[0].kind, ErrorKind::storage);
  EXPECT_EQ(outcome.results.size(), 2U);
}

}  // namespace
}  // namespace clip_hpc
