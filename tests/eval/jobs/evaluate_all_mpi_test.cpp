// What an evaluation returns is what it writes, on any number of ranks.
#include "clip_hpc/eval/jobs/evaluate_all.hpp"

#include "clip_hpc/eval/jobs/write_results.hpp"
#include "tests/eval/eval_mpi_fixture.hpp"
#include "tests/logged.hpp"

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
  EXPECT_FALSE(is_evaluated(test_world(), options_, run_, 7, "resize"));
  const Evaluated outcome = evaluate(7);
  EXPECT_TRUE(outcome.finished);
  EXPECT_TRUE(outcome.failures.empty());
  ASSERT_EQ(outcome.results.size(), 7U);  // two labels, but one retrieval
  EXPECT_TRUE(is_evaluated(test_world(), options_, run_, 7, "resize"));
  EXPECT_FALSE(is_evaluated(test_world(), options_, run_, 8, "resize"));
  EXPECT_FALSE(is_evaluated(test_world(), options_, run_, 7, "eval"));
  test::on_rank_0([&] {
    const std::vector<Result> written = read_results(run_.results_file());
    ASSERT_EQ(written.size(), outcome.results.size());
    for (std::size_t i = 0; i < written.size(); ++i) {
      EXPECT_EQ(written[i].task, outcome.results[i].task);
      EXPECT_EQ(written[i].label, outcome.results[i].label);
      EXPECT_EQ(written[i].variant, outcome.results[i].variant);
      EXPECT_EQ(written[i].view, "resize");
      EXPECT_EQ(written[i].metrics, outcome.results[i].metrics);
      EXPECT_EQ(written[i].predictions.size(), outcome.results[i].predictions.size());
    }
    EXPECT_EQ(files_in("pictures"), 3);
    EXPECT_EQ(files_in("per_class"), 2 * 2);  // a table and a matrix for each label
  });
}

// Two sets that end alike are two results, with pictures of their own.
TEST_F(EvaluateAll, SetsThatEndAlikeHaveLongerNames) {
  test::on_rank_0([&] {
    for (const char* version : {"v1/shapes", "v2/shapes"}) {
      std::filesystem::create_directories(folder_ / version);
      std::filesystem::copy(folder_ / "set", folder_ / version / "test", std::filesystem::copy_options::recursive);
    }
  });
  options_.data = {(folder_ / "v1/shapes/test").native(), (folder_ / "v2/shapes/test").native()};
  options_.tasks = {"zeroshot"};
  options_.labels = {"label"};
  const Evaluated outcome = evaluate(7);
  ASSERT_EQ(outcome.results.size(), 2U);
  EXPECT_EQ(outcome.results[0].dataset, "v1/shapes/test");
  EXPECT_EQ(outcome.results[1].dataset, "v2/shapes/test");
  EXPECT_TRUE(is_evaluated(test_world(), options_, run_, 7, "resize"));
  test::on_rank_0([&] {
    EXPECT_EQ(read_results(run_.results_file()).size(), 2U);
    EXPECT_EQ(files_in("pictures"), 6);
    EXPECT_EQ(files_in("per_class"), 4);
  });
}

// A few-shot result says of how many classes it had fewer.
TEST_F(EvaluateAll, FewShotsOfSmallClassesSaySo) {
  options_.tasks = {"fewshot"};
  options_.shots = {"2", "1000"};
  test::on_rank_0([&] { run_.create(); });
  Evaluated outcome;
  const std::string log = test::logged(test_world().rank(), [&] { outcome = evaluate(7); });
  test::on_rank_0([&] { EXPECT_NE(log.find("2 of 2 classes have fewer training images"), std::string::npos) << log; });
  ASSERT_EQ(outcome.results.size(), 4U);  // two labels, two numbers of shots
  for (const Result& result : outcome.results) {
    const double classes = result.label.empty() ? 7 : 2;
    if (result.hyper.at("shots") == 2) {
      EXPECT_FALSE(result.hyper.contains("classes_with_fewer"));
    } else {
      EXPECT_EQ(result.hyper.at("classes_with_fewer"), classes) << result.label;
    }
  }
}

// A test set that heads have learned from is said, wherever it lies.
TEST_F(EvaluateAll, ATestSetThatWasTrainedOnIsSaid) {
  test::on_rank_0([&] {
    run_.create();
    std::filesystem::copy(folder_ / "set", folder_ / "again", std::filesystem::copy_options::recursive);
    test::write_noise_set(folder_ / "other", 40);
  });
  options_.tasks = {"fewshot"};
  options_.data = {(folder_ / "again").native(), (folder_ / "other").native()};
  const std::string log = test::logged(test_world().rank(), [&] { evaluate(7); });
  test::on_rank_0([&] {
    EXPECT_NE(log.find("/again is eval.train_data itself"), std::string::npos) << log;
    EXPECT_EQ(log.find("/other is eval.train_data itself"), std::string::npos) << log;
  });
}

TEST_F(EvaluateAll, AFolderThatCannotHoldResultsIsRefusedBeforeTheWork) {
  test::on_rank_0([&] { write_file_atomic(folder_ / "file", "no folder"); });
  test::expect_error(ErrorKind::storage, {"file", "--output"},
                     [&] { check_results_folder(test_world(), RunFolder{folder_ / "file/run"}); });
  test::on_rank_0([&] {
    run_.create();
    write_file_atomic(run_.results_file(), "[{\"dataset\": ");
  });
  test::expect_error(ErrorKind::storage, {"results.json", "--output"},
                     [&] { check_results_folder(test_world(), run_); });
  test::expect_error(ErrorKind::storage, {"nowhere", "--output"},
                     [&] { check_output(test_world(), folder_ / "nowhere/scores.h5"); });
  EXPECT_NO_THROW(check_output(test_world(), folder_ / "scores.h5"));
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
