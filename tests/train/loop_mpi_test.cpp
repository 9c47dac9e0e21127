// Whole runs: what they learn, what saves memory, gradients that overflow, evaluations on the way.
#include "clip_hpc/train/loop.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/train/run_evaluation.hpp"
#include "tests/train/whole_run.hpp"

namespace clip_hpc {
namespace {

TEST_F(TrainLoop, ARunLearnsAndItsRanksHoldOneModel) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  const std::vector<double> loss = losses(whole);
  ASSERT_EQ(loss.size(), static_cast<std::size_t>(kSteps));
  EXPECT_NEAR(loss[0], std::log(kBatch), 0.7);  // of a model that knows nothing
  EXPECT_LT(loss.back(), loss[0]);
  // Each rank wrote its own slice of the state, rank 0 all of the weights: they are the same numbers.
  const State state = state_at(whole, kSteps);
  std::vector<at::Tensor> flat;
  const auto by_name = [&](const std::string& name) {
    for (const auto& [one, tensor] : state.weights) {
      if (one == name) return tensor.flatten();
    }
    ADD_FAILURE() << name;
    return at::Tensor();
  };
  for (const Json& entry : state.about.at("layout")) flat.push_back(by_name(entry.at(0).get<std::string>()));
  EXPECT_TRUE(at::equal(buffer(state, "master"), at::cat(flat)));
  EXPECT_EQ(whole.folder.checkpoint_steps(), std::vector<std::int64_t>{kSteps});
}

TEST_F(TrainLoop, AStepDoesNotWaitForItsDevice) {
  if (test_device().is_cpu()) GTEST_SKIP() << "the CPU is its own device";
  if (ranks_share_a_gpu()) GTEST_SKIP() << "ranks that share a GPU talk through the host, and wait";
  TrainRequest plain = request("plain");
  for (const char* precision : {"fp32", "bf16"}) {
    plain.folder = RunFolder{folder_ / precision};
    plain.folder.create();
    plain.config.train.precision = precision;
    plain.config.train.forbid_waits = true;
    plain.config.run.log_every = kSteps;  // numbers are read outside of the step
    EXPECT_EQ(run(plain), kExitDone);
  }
}

TEST_F(TrainLoop, AGraphOfTheStepChangesRoundingAlone) {
  if (!test_device().is_cpu() && ranks_share_a_gpu()) {
    GTEST_SKIP() << "ranks that share a GPU talk through the host, which no graph records";
  }
  TrainRequest plain = request("plain"), graphed = request("graphed");
  graphed.config.train.cuda_graph = true;
  EXPECT_EQ(run(plain), kExitDone);
  EXPECT_EQ(run(graphed), kExitDone);
  const std::vector<double> expected = losses(plain), found = losses(graphed);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-3) << i;
  const bool refused = read_text_file(graphed.folder.log_file()).find("there is no graph: ") != std::string::npos;
  EXPECT_EQ(refused, test_device().is_cpu());  // the CPU has none, and the run says so
}

TEST_F(TrainLoop, WhatSavesMemoryChangesRoundingAlone) {
  TrainRequest plain = request("plain"), small = request("small");
  small.config.train.micro_batch = 3;
  small.config.train.loss_columns = 5;
  small.config.train.recompute = true;
  EXPECT_EQ(run(plain), kExitDone);
  EXPECT_EQ(run(small), kExitDone);
  const std::vector<double> expected = losses(plain), found = losses(small);
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 2e-3) << i;
  EXPECT_NEAR(found[0], expected[0], 1e-5);
}

// Each rank keeps a share of the optimizer's state. The run is the same, and so are its checkpoints: one sharing goes
// on from the other's.
TEST_F(TrainLoop, SharedOptimizerStateChangesRoundingAlone) {
  for (const char* precision : {"fp32", "bf16"}) {
    TrainRequest plain = request(fmt::format("plain_{}", precision)),
                 shared = request(fmt::format("shared_{}", precision));
    shared.config.comm.shard_optimizer = true;
    for (TrainRequest* one : {&plain, &shared}) {
      one->config.train.precision = precision;
      one->config.checkpoint.every_steps = 4;
    }
    EXPECT_EQ(run(plain), kExitDone);
    EXPECT_EQ(run(shared), kExitDone);
    const std::vector<double> expected = losses(plain), found = losses(shared);
    ASSERT_EQ(found.size(), expected.size());
    const double tolerance = std::string(precision) == "fp32" ? 1e-3 : 5e-2;
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << precision << i;
    if (test_world().size() == 1) expect_same_bits(state_at(plain, kSteps), state_at(shared, kSteps));

    // From the middle with the same sharing: every bit. With the other one: rounding.
    for (const bool sharing : {true, false}) {
      TrainRequest again = request(fmt::format("again_{}_{}", precision, sharing));
      again.config = shared.config;
      again.config.comm.shard_optimizer = sharing;
      again.resume = shared.folder.checkpoint_path(4).string();
      EXPECT_EQ(run(again), kExitDone);
      const State end = state_at(again, kSteps), wanted = state_at(shared, kSteps);
      if (sharing) expect_same_bits(end, wanted);
      const at::Tensor a = end.buffers[0].tensor, b = wanted.buffers[0].tensor;
      EXPECT_LT((a - b).norm().item<double>(), 2e-2 * b.norm().item<double>());
    }
  }
}

TEST_F(TrainLoop, SharedOptimizerStateIsSmaller) {
  const ModelConfig config = parse_model_config(Json::parse(test::kTinyModel), "tiny");
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    ClipModel whole(config, type), quarter(config, type, at::kCPU, {.part = 1, .parts = 4});
    const Updater all(whole.arena(), {}), some(quarter.arena(), {});
    EXPECT_LE(some.state_bytes(), all.state_bytes() / 4 + 2 * 64 * 4);
    EXPECT_EQ(some.state_bytes(), static_cast<std::int64_t>(2 * quarter.arena().master().nbytes()));
  }
}

TEST_F(TrainLoop, AveragedWeightsAreKeptAndEvaluatedAndChangeNoTraining) {
  for (const bool sharing : {false, true}) {
    const auto named = [&](const std::string& name) { return fmt::format("{}_{}", name, sharing); };
    TrainRequest plain = request(named("plain")), averaged = request(named("averaged"));
    for (TrainRequest* one : {&plain, &averaged}) {
      one->config.comm.shard_optimizer = sharing;
      one->config.train.precision = "bf16";
      one->config.checkpoint.every_steps = 4;
    }
    averaged.config.optim.ema = 0.5;
    averaged.config.eval.data = {(folder_ / "set").string()};
    averaged.config.eval.tasks = {"retrieval"};
    averaged.config.eval.every_samples = 2 * kBatch;
    EXPECT_EQ(run(plain), kExitDone);
    EXPECT_EQ(run(averaged), kExitDone);
    EXPECT_EQ(losses(plain), losses(averaged));
    const State trained = state_at(plain, kSteps), both = state_at(averaged, kSteps);
    for (const char* name : {"master", "m", "v"}) EXPECT_TRUE(at::equal(buffer(trained, name), buffer(both, name)));
    EXPECT_GT((buffer(both, "ema") - buffer(both, "master")).abs().max().item<double>(), 1e-4);

    // From the middle; and from the middle of a run without an average, which begins there.
    for (TrainRequest* source : {&averaged, &plain}) {
      TrainRequest again = request(named(source == &plain ? "begun" : "again"));
      again.config = averaged.config;
      again.resume = source->folder.checkpoint_path(4).string();
      EXPECT_EQ(run(again), kExitDone);
      const State end = state_at(again, kSteps);
      if (source == &averaged) {
        expect_same_bits(end, both);
      } else {
        EXPECT_FALSE(at::equal(buffer(end, "ema"), buffer(both, "ema")));
        EXPECT_LT((buffer(end, "ema") - buffer(both, "ema")).norm().item<double>(),
                  0.05 * buffer(both, "ema").norm().item<double>());
        if (test_world().rank() == 0) expect_log(again, "the average begins with its weights");
      }
    }

    // Whoever evaluates later sees what the run saw.
    const auto comm = make_communicator(test_world(), {});
    std::map<std::string, std::map<std::string, double>> metrics;
    for (const char* weights : {"auto", "trained"}) {
      const LoadedModel loaded = load_model(averaged.folder.path, "auto", at::kCPU, weights);
      EXPECT_EQ(loaded.averaged, std::string(weights) == "auto");
      const RunFolder folder{folder_ / named(weights)};
      test::on_rank_0([&] { folder.create(); });
      evaluate_all(
          test_world(),
          {*comm, *loaded.model, *loaded.tokenizer, test_view(loaded.model->config(), averaged.config.eval.view)},
          averaged.config.eval, folder, loaded.progress, "later");
      test_world().barrier();
      metrics[weights] = read_results(folder.results_file()).back().metrics;
    }
    std::map<std::string, std::map<std::string, double>> of_run;  // by label; the last step's
    for (const Result& result : read_results(averaged.folder.results_file())) of_run[result.label] = result.metrics;
    EXPECT_EQ(of_run.size(), 2U);
    EXPECT_EQ(metrics["auto"], of_run[""]);
    EXPECT_EQ(metrics["trained"], of_run[kTrainedWeights]);
    EXPECT_NE(metrics["auto"], metrics["trained"]);
    test::expect_error(ErrorKind::input, {"holds no averaged weights", "optim.ema"},
                       [&] { load_model(plain.folder.path, "auto", at::kCPU, "ema"); });

    // Stopped between the two evaluations of a step: whoever goes on makes the second before it trains.
    test_world().barrier();
    test::on_rank_0([&] {
      const std::vector<Result> results = read_run_results(averaged.folder);
      std::filesystem::remove(averaged.folder.results_file());
      for (const Result& one : results) {
        if (one.step != kSteps || one.label.empty()) append_result(averaged.folder.results_file(), one);
      }
    });
    averaged.config.train.samples += 2 * kBatch;
    EXPECT_EQ(run(averaged), kExitDone);
    std::map<std::int64_t, int> of_step;
    for (const Result& result : read_run_results(averaged.folder)) ++of_step[result.step];
    EXPECT_EQ(of_step[kSteps], 2);
    EXPECT_EQ(of_step[kSteps + 2], 2);
  }
}

// The first update throws the weights out of the range of a float: all gradients after it are not finite.
TEST_F(TrainLoop, StepsWithoutAFiniteGradientAreLeftOutCountedAndLimited) {
  TrainRequest bad = request("bad");
  bad.config.optim.lr = 1e30;
  bad.config.optim.warmup = 0;
  bad.config.checkpoint.every_steps = 1;
  bad.config.train.non_finite_limit = 4;
  test::expect_error(ErrorKind::input, {"4 steps in a row", "up to step 5", "this rank's samples: "},
                     [&] { run(bad); });
  EXPECT_FALSE(test_world().flags_started());  // nothing is on its way, so the ranks can end together
  test_world().barrier();
  ASSERT_EQ(bad.folder.checkpoint_steps(), (std::vector<std::int64_t>{1, 2, 3, 4}));
  const State first = state_at(bad, 1), last = state_at(bad, 4);
  EXPECT_EQ(first.about.at("skipped"), 0);
  EXPECT_EQ(last.about.at("skipped"), 3);
  EXPECT_EQ(last.about.at("applied"), 1);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::equal(first.buffers[i].tensor, last.buffers[i].tensor));
  const std::vector<MetricsLine> lines = read_metrics(bad.folder.metrics_file());
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_EQ(lines[0].skipped_steps, 0);
  EXPECT_EQ(lines[3].skipped_steps, 3);
  test_world().barrier();
}

TEST_F(TrainLoop, AnEvaluationThatAStopPreventedIsMadeUpFor) {
  TrainRequest plain = request("plain"), stopped = request("stopped");
  stopped.config.eval.data = {(folder_ / "set").string()};
  stopped.config.eval.tasks = {"retrieval"};
  stopped.config.eval.every_samples = 2 * kBatch;
  EXPECT_EQ(run(plain), kExitDone);
  std::vector<std::int64_t> stops;
  for (int code = kExitStoppedCleanly; code == kExitStoppedCleanly && stops.size() < 99;) {
    if (stops.size() < 6) request_shutdown();
    code = run(stopped);
    if (code == kExitStoppedCleanly) stops.push_back(stopped.folder.checkpoint_steps().back());
  }
  // Asked to stop at 2, it is asked again while it makes up for the evaluation of 2: nothing is trained meanwhile.
  EXPECT_EQ(stops, (std::vector<std::int64_t>{1, 2, 2, 2, 2, 2}));
  std::vector<std::int64_t> steps;
  for (const Result& result : read_results(stopped.folder.results_file())) steps.push_back(result.step);
  EXPECT_EQ(steps, (std::vector<std::int64_t>{2, 4, 6, kSteps}));
  expect_same_bits(state_at(plain, kSteps), state_at(stopped, kSteps));
}

TEST_F(TrainLoop, AnEvaluatedRunTrainsToTheSameBits) {
  TrainRequest plain = request("plain"), evaluated = request("evaluated");
  evaluated.config.eval.data = {(folder_ / "set").string()};
  evaluated.config.eval.tasks = {"zeroshot", "retrieval"};
  evaluated.config.eval.every_samples = 3 * kBatch;
  EXPECT_EQ(run(plain), kExitDone);
  EXPECT_EQ(run(evaluated), kExitDone);
  expect_same_bits(state_at(plain, kSteps), state_at(evaluated, kSteps));
  std::vector<std::int64_t> steps;
  for (const Result& result : read_results(evaluated.folder.results_file())) {
    if (result.task == kTaskRetrieval) steps.push_back(result.step);
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{3, 6, kSteps}));
}

TEST_F(TrainLoop, AnEvaluationThatFailsOnOneRankIsToldAndTrainingGoesOn) {
  TrainRequest plain = request("plain"), failing = request("failing");
  test::on_rank_0([&] {
    // Noise: the bytes of picture 100 stand once in the shard that holds it.
    std::filesystem::copy(folder_ / "set", folder_ / "damaged", std::filesystem::copy_options::recursive);
    const std::vector<std::uint8_t> image = test::noise_sample(100).image;
    const auto shard = folder_ / "damaged/shard_00001.h5";
    const auto place = read_text_file(shard).find(std::string(image.begin(), image.begin() + 64));
    ASSERT_NE(place, std::string::npos);
    test::flip_byte(shard, place);
  });
  failing.config.eval.data = {(folder_ / "damaged").string(), (folder_ / "set").string()};
  failing.config.eval.tasks = {"zeroshot", "retrieval"};
  failing.config.eval.at_checkpoints = true;
  failing.config.checkpoint.every_steps = 3;
  EXPECT_EQ(run(plain), kExitDone);
  EXPECT_EQ(run(failing), kExitDone);
  expect_same_bits(state_at(plain, kSteps), state_at(failing, kSteps));
  std::vector<std::int64_t> steps, failed;
  for (const Result& result : read_results(failing.folder.results_file())) {
    EXPECT_NE(result.dataset.find("/set"), std::string::npos);  // the other set is evaluated
    if (result.task == kTaskRetrieval) steps.push_back(result.step);
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{3, 6, kSteps}));
  for (const RunEvent& event : read_events(failing.folder.metrics_file())) {
    EXPECT_EQ(event.event, kEvaluationFailed);
    EXPECT_NE(event.text.find("picture 100 cannot be used"), std::string::npos) << event.text;
    failed.push_back(event.step);
  }
  EXPECT_EQ(failed, (std::vector<std::int64_t>{3, 3, 6, 6, kSteps, kSteps}));
  expect_log(failing, "EVALUATION FAILED");
  EXPECT_EQ(losses(plain), losses(failing));
}

}  // namespace
}  // namespace clip_hpc
