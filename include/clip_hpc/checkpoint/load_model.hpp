// A model of which only the weights are wanted: from a run folder or a checkpoint, with the run's tokenizer.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/run/progress.hpp"
#include "clip_hpc/run/run_folder.hpp"
#include "clip_hpc/text/tokenizer.hpp"

namespace clip_hpc {

// The tokenizer of a run: copied from the first training set into the run folder, where evaluation finds it.
std::filesystem::path tokenizer_file(const RunFolder& folder);
ModelConfig model_for(ModelConfig model, const Tokenizer& tokenizer);  // with its end token; throws input

// tokenizer_kwargs.clean of open_clip's JSON: what its tokenizer does to captions. Empty where it says nothing.
std::string stated_clean(const ModelConfig& model);
inline constexpr const char* kCanonicalise = "canonicalize";  // SigLIP's

at::ScalarType scalar_type_of(const std::string& precision);  // bf16 or fp32

// Throws input, naming both, where a tensor holds NaN or Inf: such a model gives no numbers.
void require_numbers(const std::string& name, const at::Tensor& tensor, const std::string& where);
// And where it holds whole numbers: quantised weights are none that can be taken.
void require_weights(const std::string& name, const at::Tensor& tensor, const std::string& where);

// What the arena exports, in fp32, by open_clip's names; and the way back. Throws storage, naming `where`, for a tensor
// that is missing or has another shape, and as require_numbers; others are ignored.
// With torch's counters of BatchNorm, which PyTorch asks for and nothing here needs.
NamedTensors named_weights(const ClipModel& model);
std::vector<std::string> batch_counter_names(const ParameterArena& arena);  // NAME.num_batches_tracked
NamedTensors batch_counters(const ParameterArena& arena);                   // int64: 0
inline constexpr const char* kBatchCounter = "num_batches_tracked";
void set_weights(ClipModel& model, const NamedTensors& weights, const std::string& where);

std::vector<std::filesystem::path> checkpoints_newest_first(const RunFolder& folder);

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
// Whether a path that was given as a model is no run of ours, but weights of another project: a folder or a file.
bool holds_other_weights(const std::filesystem::path& path);
LoadedModel load_model(const std::filesystem::path& path, const std::string& precision = "auto",
                       const at::Device& device = at::kCPU, const std::string& weights = "auto");

}  // namespace clip_hpc
