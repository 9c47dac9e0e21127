#include "clip_hpc/eval/score.hpp"

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/data/packed/scores.hpp"
#include "clip_hpc/data/sources/repacked.hpp"
#include "clip_hpc/eval/jobs/write_results.hpp"
#include "clip_hpc/eval/open_model.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kScoreUsage =
    R"(clip_hpc score: how well image and caption of each sample belong together, by a frozen CLIP

Writes one number a sample, the cosine of both features (of several captions their mean); not a number where the picture
cannot be decoded. clip_hpc filter keeps the best of them. The numbers are the same on any number of ranks.

Examples:
  mpirun -np 2 clip_hpc score --model runs/quickstart/letters --data data/packed/glyphs/train --output data/packed/glyphs/scores.h5
  clip_hpc filter --data data/packed/glyphs/train --scores data/packed/glyphs/scores.h5 --keep 0.4 --output data/packed/glyphs/best.h5
)";

// Quartiles of the usable scores.
std::string spread_of(std::vector<float> scores) {
  std::erase_if(scores, [](float score) { return std::isnan(score); });
  if (scores.empty()) return "none";
  std::vector<double> ascending(scores.begin(), scores.end());
  std::ranges::sort(ascending);
  const auto at = [&](double fraction) { return quantile(ascending, fraction); };
  return fmt::format("{:.3f} to {:.3f}, median {:.3f}, the middle half {:.3f} to {:.3f}", ascending.front(),
                     ascending.back(), at(0.5), at(0.25), at(0.75));
}

// Of a set whose captions were swapped for a share of the samples: whether scores tell which.
void tell_swapped(const PackedSet& set, const std::vector<float>& scores) {
  const std::vector<std::string>& labels = set.info().label_names;
  if (std::ranges::find(labels, kSwappedLabel) == labels.end()) return;
  const std::vector<std::int32_t> swapped = set.all_labels(kSwappedLabel);
  std::vector<double> own, others;
  for (std::size_t i = 0; i < scores.size(); ++i) {
    if (!std::isnan(scores[i])) (swapped[i] != 0 ? others : own).push_back(scores[i]);
  }
  if (own.empty() || others.empty()) return;
  log_info("{} of {} captions are of another sample; the scores tell them with an area under the ROC curve of {:.4f}",
           others.size(), own.size() + others.size(), area_under_roc(own, others));
}

}  // namespace

int command_score(World& world, std::span<const std::string> arguments) {
  ModelSource source;
  std::string data, output;
  ArgumentTable table;
  add_model_arguments(table, source);
  add_other_weights_arguments(table, source);
  table.add("data", data, "packed set");
  table.add("output", output, "HDF5 file, which must not exist");
  add_view_argument(table, source);
  add_precision_argument(table, source);
  add_device_argument(table, source);
  if (!read_arguments(table, arguments, kScoreUsage, world.rank() == 0)) return kExitDone;
  if (source.model.empty() || data.empty() || output.empty()) {
    throw input_error("clip_hpc score needs --model, --data and --output");
  }
  if (std::filesystem::exists(output)) throw input_error("{} exists: remove it, or give another --output", output);
  check_output(world, output);
  const PackedSet set(data);
  set.require_captions("a score");
  const OpenedModel opened = open_model(world, source);
  const std::vector<float> scores =
      score(opened.context(), set, [&](std::int64_t done) { log_info("{} of {} samples", done, set.count()); });
  // What one rank alone writes may fail alone: the others must hear of it.
  together(*opened.comm, [&] {
    if (world.rank() == 0) write_scores(output, set, scores, opened.about());
  });
  const auto broken = std::ranges::count_if(scores, [](float score) { return std::isnan(score); });
  if (broken > 0) log_warn("{} pictures cannot be decoded: filter never keeps them", broken);
  log_info("{}: {} scores, {}", output, scores.size(), spread_of(scores));
  if (world.rank() == 0) tell_swapped(set, scores);
  return kExitDone;
}

}  // namespace clip_hpc
