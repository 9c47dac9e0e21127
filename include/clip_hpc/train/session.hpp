// What a run holds while it trains, and how it is made, saved and found again. The loop itself is in loop.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/data/packed_set.hpp"
#include "clip_hpc/eval/evaluate.hpp"
#include "clip_hpc/optim/adamw.hpp"
#include "clip_hpc/train/config.hpp"
#include "clip_hpc/train/loop.hpp"

namespace clip_hpc {

inline constexpr const char* kImported = "imported";  // stands for the configuration's hash where no one trained

struct Progress {
  std::int64_t step = 0;  // steps done
  std::int64_t samples_seen = 0;
  std::int64_t total_steps = 0;  // that the run is to take; 0: not known
};

struct TrainingData {
  std::vector<std::shared_ptr<const PackedSet>> sets;
  std::vector<std::int64_t> weights;
  std::vector<std::uint64_t> subset;  // ids of the one set, empty: all
  std::uint64_t epoch_samples = 0;
};
TrainingData open_training_data(const DataOptions& options);  // throws input, storage

// The tokenizer of a run: copied from the first training set into the run folder, where evaluation finds it.
std::filesystem::path tokenizer_file(const RunFolder& folder);
ModelConfig model_for(ModelConfig model, const Tokenizer& tokenizer);  // its end token; throws input

at::ScalarType scalar_type_of(const std::string& precision);  // bf16 or fp32

int compute_threads(const World& world, std::int64_t asked);

TrainState train_state(ClipModel& model, AdamWState& optimizer);  // views of the live buffers
NamedTensors named_weights(const ClipModel& model);               // fp32, open_clip's names

void save(World& world, const RunFolder& folder, ClipModel& model, AdamWState& optimizer, const Progress& progress,
          const CheckpointOptions& options, const std::string& config_hash);

// Collective. Restores the newest checkpoint that is complete and undamaged (auto), or the one that is named. Broken
// ones are skipped with a warning. Step 0: there is none, and model and optimizer are all zero. A configuration other
// than the checkpoint's is told in a warning, since the run that follows is neither's. An imported model is refused.
Progress resume(World& world, const RunFolder& folder, const std::string& which, ClipModel& model,
                AdamWState& optimizer, const std::string& config_hash);

// Collective. Exchanges the weights that the model computes with for their average, and back again at the next call.
// Does nothing where none is kept.
void exchange_for_average(ClipModel& model, AdamWState& optimizer, Communicator& comm);

// A model of which only the weights are wanted. `path`: a run folder (its newest complete checkpoint) or a checkpoint.
// `precision`: fp32, bf16, or auto: the one that the run computes in, so that the numbers are those of the run.
// `weights`: trained, ema (their average), or auto: the average where the run keeps one, as its own evaluations do.
struct LoadedModel {
  std::unique_ptr<ClipModel> model;
  std::unique_ptr<Tokenizer> tokenizer;
  RunFolder folder;
  Progress progress;
  bool averaged = false, has_average = false;
};
LoadedModel load_model(const std::filesystem::path& path, const std::string& precision = "auto",
                       const at::Device& device = at::kCPU, const std::string& weights = "auto");

// A square product on this rank's threads, or its GPU, right now.
double measured_gemm_tflops(at::ScalarType type, const at::Device& device = at::kCPU);
std::int64_t peak_rss_bytes();  // of this process

}  // namespace clip_hpc
