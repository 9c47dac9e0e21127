// A whole run in this process, on all ranks.
#pragma once

#include <gtest/gtest.h>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "clip_hpc/eval/jobs/evaluate_all.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/train/loop.hpp"
#include "clip_hpc/train/session.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {

constexpr std::int64_t kSteps = 8, kBatch = 22;  // a batch that 3 and 4 ranks cannot share evenly

inline bool ranks_share_a_gpu() {
  return shared_device(test_world().all_gather_strings(test_device().identity)).has_value();
}

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
  struct State : CheckpointContent {
    NamedTensors weights;
  };
  static State state_at(const TrainRequest& request, std::int64_t step) {
    const auto path = request.folder.checkpoint_path(step);
    State state;
    for (const StateBuffer& buffer : open_state_file(path / "state.h5")) {
      state.buffers.push_back({buffer.name, at::empty({buffer.numel}, at::kFloat)});
    }
    state.about = restore_checkpoint(path, state.buffers);
    state.weights = read_safetensors(path / "model.safetensors");
    return state;
  }

  static at::Tensor buffer(const State& state, const std::string& name) {
    for (const NamedBuffer& one : state.buffers) {
      if (one.name == name) return one.tensor;
    }
    throw std::out_of_range(name);
  }

  static void expect_same_bits(const State& a, const State& b) {
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

}  // namespace clip_hpc
