// What a training run holds while it lives, and how it comes to be. The loop is in loop.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "clip_hpc/base/stack_probe.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/comm/batch_split.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/data/loading/loader.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/ops/attention_choice.hpp"
#include "clip_hpc/optim/updater.hpp"
#include "clip_hpc/run/progress.hpp"
#include "clip_hpc/strategy/strategy.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "clip_hpc/train/cadence.hpp"
#include "clip_hpc/train/identity.hpp"
#include "clip_hpc/train/loop.hpp"
#include "clip_hpc/train/pair_batch.hpp"
#include "clip_hpc/train/session.hpp"
#include "clip_hpc/train/step.hpp"
#include "clip_hpc/train/watchdog.hpp"

namespace clip_hpc {

struct TrainingRun {
  // Collective. Opens data, tokenizer and model; everything that the configuration may have wrong is found here. The
  // weights are zero until start_or_resume. `world` and `request` outlive the run.
  TrainingRun(World& world, const TrainRequest& request, ComputeDevice device);
  TrainingRun(const TrainingRun&) = delete;
  TrainingRun& operator=(const TrainingRun&) = delete;

  World& world;
  const TrainRequest& request;
  const RunConfig& config;
  ComputeDevice device;
  StackProbe stack;  // of the thread that trains
  Watchdog watchdog;
  TrainingData data;
  Tokenizer tokenizer;
  Strategy strategy;
  ClipModel model;
  Updater updater;
  std::unique_ptr<Communicator> communicator;       // of tensors on the device
  std::unique_ptr<Communicator> host_communicator;  // of tensors in host memory; null: the other one
  BatchSplit split;
  Cadence cadence;
  RunIdentity identity;
  Progress progress;            // the only thing that changes from step to step, beside weights and optimizer
  std::int64_t start_step = 0;  // of this session
  AttentionChoice attention;
  double gemm_tflops = 0;  // what this run's utilisation is measured against

  std::uint64_t seed() const { return static_cast<std::uint64_t>(config.run.seed); }
  const Phase& phase() const { return phase_at(strategy.phases, progress.step, progress.total_steps); }
  std::int64_t image_size_in(const Phase& one) const {
    return one.image_size > 0 ? one.image_size : model.image().image_size();
  }
  std::int64_t image_size() const { return image_size_in(phase()); }
  std::int64_t kept_patches() const { return phase().kept_patches(model.image().patches_at(image_size())); }
  bool packs_captions() const;  // padding between captions is left out of the text tower
};

// What goes into each checkpoint of the run, beside its state.
Json about_run(const TrainingRun& run);

// Collective. New weights, or the newest complete checkpoint of this run or of the one it branches from; writes
// config.cfg, provenance.json and the tokenizer.
void start_or_resume(TrainingRun& run);

// Collective. Chooses the attention kernel, measures what utilisation is compared with, and says what is about to run.
void choose_kernels(TrainingRun& run);
void announce(const TrainingRun& run);

LoaderOptions loader_options(const TrainingRun& run);
StepOptions step_options(const TrainingRun& run);

// The rows of the step that comes next. A function of seed and step; on a CPU it reads the images where `batch` has
// them.
PairBatch pair_batch(const TrainingRun& run, Batch& batch);

double learning_rate_now(const TrainingRun& run);

}  // namespace clip_hpc
