// A whole run in this process, on all ranks: stopped and resumed, damaged and resumed, with gradients that overflow.
#include "clip_hpc/train/loop.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/train/session.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kSteps = 8, kBatch = 22;  // a batch that 3 and 4 ranks cannot share evenly

bool ranks_share_a_gpu() { return shared_device(test_world().all_gather_strings(test_device().identity)).has_value(); }

class TrainLoop : public testing::Test {
 protected:
  TrainLoop() {
    test::on_rank_0([&] {
      test::write_noise_set(folder_ / "set");
      write_file_atomic(folder_ / "tiny.json", test::kTinyModel);
    });
  }
  ~TrainLoop() override { start_log({test_world().rank(), {}}); }  // lets go of the log file

  // FLIP and random views: what is drawn for a row must not depend on when, or by whom.
  TrainRequest request(const std::string& name) const {
    TrainRequest request;
    request.folder = RunFolder{folder_ / name};
    RunConfig& config = request.config;
    config.run.name = name;
    config.run.log_every = 1;
    config.data.train = {(folder_ / "set").string()};
    config.data.workers = 2;
    config.model.config = (folder_ / "tiny.json").string();
    config.strategy = {.name = "flip", .mask_ratio = 0.5, .augmentation = "drawing"};
    config.train.samples = kSteps * kBatch;
    config.train.global_batch = kBatch;
    config.train.threads = 1;
    config.train.device = test_device().is_cpu() ? "cpu" : "cuda";
    config.optim.lr = 2e-3;
    config.optim.warmup = 2;
    config.comm.bucket_mib = 0.05;  // several buckets
    config.checkpoint.every_minutes = 0;
    config.checkpoint.keep = 100;
    request.config_text = "[run]\n";
    test::on_rank_0([&] { request.folder.create(); });
    return request;
  }

  static int run(const TrainRequest& request) {
    start_log({test_world().rank(), request.folder.log_file()});
    const int code = train(test_world(), request);
    test_world().barrier();  // rank 0 has written everything
    return code;
  }

  static std::vector<double> losses(const TrainRequest& request) {
    std::vector<double> all;
    for (const MetricsLine& line : read_metrics(request.folder.metrics_file())) all.push_back(line.loss);
    return all;
  }

  // The state of a run after `step`: weights and moments, fp32.
  static CheckpointContent state_at(const TrainRequest& request, std::int64_t step) {
    const auto path = request.folder.checkpoint_path(step);
    CheckpointContent state;
    for (const StateBuffer& buffer : open_state_file(path / "state.h5")) {
      state.buffers.push_back({buffer.name, at::empty({buffer.numel}, at::kFloat)});
    }
    state.about = restore_checkpoint(path, state.buffers);
    state.weights = read_safetensors(path / "model.safetensors");
    return state;
  }

  static at::Tensor buffer(const CheckpointContent& state, const std::string& name) {
    for (const NamedBuffer& one : state.buffers) {
      if (one.name == name) return one.tensor;
    }
    throw std::out_of_range(name);
  }

  static void expect_same_bits(const CheckpointContent& a, const CheckpointContent& b) {
    ASSERT_GE(a.buffers.size(), 3U);
    ASSERT_EQ(a.buffers.size(), b.buffers.size());
    for (std::size_t i = 0; i < a.buffers.size(); ++i) {
      EXPECT_EQ(a.buffers[i].name, b.buffers[i].name);
      EXPECT_TRUE(at::equal(a.buffers[i].tensor, b.buffers[i].tensor)) << a.buffers[i].name;
    }
    ASSERT_EQ(a.weights.size(), b.weights.size());
    for (std::size_t i = 0; i < a.weights.size(); ++i) {
      EXPECT_TRUE(at::equal(a.weights[i].second, b.weights[i].second)) << a.weights[i].first;
    }
    for (const char* key : {"step", "samples_seen", "applied", "skipped"}) EXPECT_EQ(a.about.at(key), b.about.at(key));
  }

  static void expect_log(const TrainRequest& request, const std::string& words) {
    const std::string log = read_text_file(request.folder.log_file());
    EXPECT_NE(log.find(words), std::string::npos) << "no \"" << words << "\" in:\n" << log;
  }

  test::SharedFolder folder_;
};

TEST_F(TrainLoop, ARunLearnsAndItsRanksHoldOneModel) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  const std::vector<double> loss = losses(whole);
  ASSERT_EQ(loss.size(), static_cast<std::size_t>(kSteps));
  EXPECT_NEAR(loss[0], std::log(kBatch), 0.7);  // of a model that knows nothing
  EXPECT_LT(loss.back(), loss[0]);
  // Each rank wrote its own slice of the state, rank 0 all of the weights: they are the same numbers.
  const CheckpointContent state = state_at(whole, kSteps);
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

// A signal to one rank stops all of them after the step, which the next session goes on from.
TEST_F(TrainLoop, StoppedAfterEveryStepTheBitsAreThoseOfAnUndisturbedRun) {
  TrainRequest whole = request("whole"), stopped = request("stopped");
  EXPECT_EQ(run(whole), kExitDone);
  const int signalled = test_world().size() - 1;
  for (std::int64_t step = 1; step < kSteps; ++step) {
    install_shutdown_signals();
    if (test_world().rank() == signalled) std::raise(SIGUSR1);
    ASSERT_EQ(run(stopped), kExitStoppedCleanly) << step;
    EXPECT_FALSE(shutdown_requested());
    ASSERT_EQ(stopped.folder.checkpoint_steps().back(), step);
  }
  EXPECT_EQ(run(stopped), kExitDone);
  expect_same_bits(state_at(whole, kSteps), state_at(stopped, kSteps));
  EXPECT_EQ(losses(whole), losses(stopped));
  test_world().barrier();
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
      const CheckpointContent end = state_at(again, kSteps), wanted = state_at(shared, kSteps);
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
    const CheckpointContent trained = state_at(plain, kSteps), both = state_at(averaged, kSteps);
    for (const char* name : {"master", "m", "v"}) EXPECT_TRUE(at::equal(buffer(trained, name), buffer(both, name)));
    EXPECT_GT((buffer(both, "ema") - buffer(both, "master")).abs().max().item<double>(), 1e-4);

    // From the middle; and from the middle of a run without an average, which begins there.
    for (TrainRequest* source : {&averaged, &plain}) {
      TrainRequest again = request(named(source == &plain ? "begun" : "again"));
      again.config = averaged.config;
      again.resume = source->folder.checkpoint_path(4).string();
      EXPECT_EQ(run(again), kExitDone);
      const CheckpointContent end = state_at(again, kSteps);
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
      evaluate_all(test_world(), {*comm, *loaded.model, *loaded.tokenizer, averaged.config.eval.view},
                   averaged.config.eval, folder, loaded.progress, "later");
      test_world().barrier();
      metrics[weights] = read_results(folder.results_file()).back().metrics;
    }
    EXPECT_EQ(metrics["auto"], read_results(averaged.folder.results_file()).back().metrics);
    EXPECT_NE(metrics["auto"], metrics["trained"]);
    test::expect_error(ErrorKind::input, {"holds no averaged weights", "optim.ema"},
                       [&] { load_model(plain.folder.path, "auto", at::kCPU, "ema"); });
  }
}

TEST_F(TrainLoop, AnyCheckpointLeadsToTheSameEnd) {
  TrainRequest whole = request("whole");
  whole.config.checkpoint.every_steps = 3;
  EXPECT_EQ(run(whole), kExitDone);
  EXPECT_EQ(whole.folder.checkpoint_steps(), (std::vector<std::int64_t>{3, 6, kSteps}));
  for (const std::int64_t step : {3, 6}) {
    TrainRequest again = request(fmt::format("again_{}", step));
    again.resume = whole.folder.checkpoint_path(step).string();
    EXPECT_EQ(run(again), kExitDone);
    expect_same_bits(state_at(whole, kSteps), state_at(again, kSteps));
  }
}

TEST_F(TrainLoop, LowPrecisionResumesToTheSameBitsToo) {
  TrainRequest whole = request("whole"), stopped = request("stopped");
  for (TrainRequest* one : {&whole, &stopped}) one->config.train.precision = "bf16";
  EXPECT_EQ(run(whole), kExitDone);
  install_shutdown_signals();
  std::raise(SIGTERM);
  EXPECT_EQ(run(stopped), kExitStoppedCleanly);
  EXPECT_EQ(run(stopped), kExitDone);
  expect_same_bits(state_at(whole, kSteps), state_at(stopped, kSteps));
}

TEST_F(TrainLoop, ResumeSkipsBrokenCheckpointsAloud) {
  TrainRequest whole = request("whole");
  whole.config.checkpoint.every_steps = 2;
  EXPECT_EQ(run(whole), kExitDone);
  const CheckpointContent expected = state_at(whole, kSteps);
  test_world().barrier();
  test::on_rank_0([&] {
    std::filesystem::remove(whole.folder.checkpoint_path(8) / "manifest.json");
    std::filesystem::resize_file(whole.folder.checkpoint_path(6) / "model.safetensors", 100);
    const auto state = whole.folder.checkpoint_path(4) / "state.h5";
    test::flip_byte(state, open_state_file(state)[2].offset_bytes + 4000);  // of the last buffer that is read
    std::filesystem::create_directories(whole.folder.checkpoints_dir() / "step_000000010.tmp");
    std::filesystem::rename(whole.folder.checkpoint_path(2), whole.folder.checkpoint_path(2).string() + ".replaced");
  });
  EXPECT_EQ(run(whole), kExitDone);
  if (test_world().rank() == 0) {
    expect_log(whole, "skipping " + whole.folder.checkpoint_path(8).string());
    expect_log(whole, "skipping " + whole.folder.checkpoint_path(6).string());
    expect_log(whole, "model.safetensors is missing or truncated");
    expect_log(whole, "skipping " + whole.folder.checkpoint_path(4).string());
    expect_log(whole, "checksum of ");
    expect_log(whole, "resumed from step 2 ");
    EXPECT_TRUE(std::filesystem::exists(whole.folder.checkpoint_path(4).string() + ".broken"));
    EXPECT_FALSE(std::filesystem::exists(whole.folder.checkpoints_dir() / "step_000000010.tmp"));
  }
  EXPECT_EQ(whole.folder.checkpoint_steps(), (std::vector<std::int64_t>{2, 4, 6, 8}));  // written again
  expect_same_bits(expected, state_at(whole, kSteps));
}

TEST_F(TrainLoop, WithOnlyDamagedCheckpointsTheRunDoesNotBeginAnew) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  test_world().barrier();
  test::on_rank_0([&] {
    const auto state = whole.folder.checkpoint_path(kSteps) / "state.h5";
    test::flip_byte(state, open_state_file(state)[2].offset_bytes + 4000);
  });
  test::expect_error(ErrorKind::storage, {"none of its 1 checkpoints can be read", "move the folder away"},
                     [&] { run(whole); });
  EXPECT_EQ(whole.folder.checkpoint_steps(), std::vector<std::int64_t>{kSteps});  // still there to look at
}

TEST_F(TrainLoop, ACheckpointByNameMustBeWholeAndFit) {
  TrainRequest whole = request("whole");
  EXPECT_EQ(run(whole), kExitDone);
  TrainRequest other = whole;
  other.config.train.global_batch = kBatch / 2;
  test::expect_error(ErrorKind::input, {"train.global_batch"}, [&] { run(other); });
  test::on_rank_0([&] {
    std::string model = test::kTinyModel;
    model.replace(model.find("\"layers\": 2"), 11, "\"layers\": 1");
    write_file_atomic(folder_ / "other.json", model);
  });
  other = whole;
  other.config.model.config = (folder_ / "other.json").string();
  test::expect_error(ErrorKind::input, {"belongs to another model"}, [&] { run(other); });
  test::on_rank_0([&] {
    const auto state = whole.folder.checkpoint_path(kSteps) / "state.h5";
    test::flip_byte(state, open_state_file(state)[0].offset_bytes);
  });
  other = whole;
  other.resume = whole.folder.checkpoint_path(kSteps).string();
  test::expect_error(ErrorKind::storage, {"state.h5", "checksum"}, [&] { run(other); });
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
  const CheckpointContent first = state_at(bad, 1), last = state_at(bad, 4);
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
    install_shutdown_signals();
    if (stops.size() < 6) std::raise(SIGUSR1);
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
