#include "clip_hpc/eval/score.hpp"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/data/packed/scores.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/read_arguments.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage =
    R"(clip_hpc score: how well image and caption of each sample belong together, by a frozen CLIP

Writes one number a sample, the cosine of both features (of several captions their mean); not a number where the picture
cannot be decoded. clip_hpc filter keeps the best of them. The numbers are the same on any number of ranks.

Examples:
  mpirun -np 2 clip_hpc score --model runs/quickstart/letters --data packed/glyphs/train --output packed/glyphs/scores.h5
  clip_hpc filter --data packed/glyphs/train --scores packed/glyphs/scores.h5 --keep 0.4 --output packed/glyphs/best.h5
)";

// Quartiles of the usable scores.
std::string spread_of(std::vector<float> scores) {
  std::erase_if(scores, [](float score) { return std::isnan(score); });
  if (scores.empty()) return "none";
  std::ranges::sort(scores);
  const auto at = [&](double share) {
    return scores[static_cast<std::size_t>(share * static_cast<double>(scores.size() - 1))];
  };
  return fmt::format("{:.3f} to {:.3f}, median {:.3f}, the middle half {:.3f} to {:.3f}", scores.front(), scores.back(),
                     at(0.5), at(0.25), at(0.75));
}

}  // namespace

int command_score(World& world, std::span<const std::string> arguments) {
  std::string path, data, output, view = "resize", precision = "auto", weights = "auto", device_word = "auto";
  po::options_description words("Options");
  words.add_options()("model", po::value(&path), "run folder (its newest complete checkpoint) or checkpoint folder")(
      "data", po::value(&data), "packed set")("output", po::value(&output), "HDF5 file, which must not exist")(
      "view", po::value(&view)->default_value(view),
      "how an image is resized: resize, eval, eval_longest, eval_squash")(
      "weights", po::value(&weights)->default_value(weights),
      "trained, ema (their average, of a run with optim.ema), or auto: the average where there is one")(
      "precision", po::value(&precision)->default_value(precision),
      "of the model: fp32, bf16, or auto: that of the run")(
      "device", po::value(&device_word)->default_value(device_word), "auto, cpu or cuda, as train.device");
  if (!read_words(arguments, words, kUsage, world.rank() == 0)) return kExitDone;
  if (path.empty() || data.empty() || output.empty()) {
    throw input_error("clip_hpc score needs --model, --data and --output");
  }
  one_of({"resize", "eval", "eval_longest", "eval_squash"})("--view", view);
  one_of({"auto", "trained", "ema"})("--weights", weights);
  one_of({"auto", "fp32", "bf16"})("--precision", precision);
  one_of({"auto", "cpu", "cuda"})("--device", device_word);
  if (std::filesystem::exists(output)) throw input_error("{} exists: remove it, or give another --output", output);
  const PackedSet set(data);
  at::set_num_threads(compute_threads(world, 0));
  keep_freed_memory();
  const ComputeDevice device = choose_device(world, device_word);
  const LoadedModel loaded = load_model(path, precision, device.device, weights);
  const auto comm = make_communicator(world, {});
  const EvalContext context{*comm, *loaded.model, *loaded.tokenizer, view};
  const std::vector<float> scores =
      score(context, set, [&](std::int64_t done) { log_info("{} of {} samples", done, set.count()); });
  // What one rank alone writes may fail alone: the others must hear of it.
  together(*comm, [&] {
    if (world.rank() != 0) return;
    write_scores(output, set, scores,
                 {{"model", loaded.model->config().name},
                  {"step", loaded.progress.step},
                  {"view", view},
                  {"weights", loaded.averaged ? "ema" : "trained"},
                  {"precision", loaded.model->arena().parameter(0).scalar_type() == at::kFloat ? "fp32" : "bf16"}});
  });
  const auto broken = std::ranges::count_if(scores, [](float score) { return std::isnan(score); });
  if (broken > 0) log_warn("{} pictures cannot be decoded: filter never keeps them", broken);
  log_info("{}: {} scores, {}", output, scores.size(), spread_of(scores));
  return kExitDone;
}

}  // namespace clip_hpc
