#include <numeric>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/data/packed/scores.hpp"
#include "clip_hpc/data/packed/subset.hpp"
#include "commands/read_arguments.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage =
    R"(clip_hpc filter: a subset of a packed set, as a list of sample ids; no picture is copied

By quality (--scores with --keep or --at-least), by a list (--uids), by number (--count); a number goes with the others,
and draws from what they keep. Draws of one seed are nested: the 10,000 lie inside the 25,000. Train on one with
data.subset.

Examples:
  clip_hpc filter --data packed/glyphs/train --count 10000 --output packed/glyphs/10k.h5
  clip_hpc --config configs/quickstart.cfg --set data.subset=packed/glyphs/10k.h5 --run-dir runs/10k
  clip_hpc filter --data packed/glyphs/train --scores packed/glyphs/scores.h5 --keep 0.4 --output packed/glyphs/best.h5
)";

}  // namespace

int command_filter(World& world, std::span<const std::string> arguments) {
  std::string data, output, scores_file, uids_file;
  std::int64_t count = 0, seed = 0;
  std::optional<double> keep, least;
  po::options_description options("Options");
  options.add_options()("data", po::value(&data), "packed set")("count", po::value(&count), "samples to draw")(
      "seed", po::value(&seed)->default_value(0), "of the draw")(
      "scores", po::value(&scores_file), "of clip_hpc score, or a NumPy array of one number a sample")(
      "keep", po::value<double>()->notifier([&](double value) { keep = value; }),
      "share of the set, the best first: 0 to 1")(
      "at-least", po::value<double>()->notifier([&](double value) { least = value; }), "keep scores from this on")(
      "uids", po::value(&uids_file), "keep what this .npy lists, two u64 an entry, as DataComp's subsets")(
      "output", po::value(&output), "subset file, .h5");
  if (!read_words(arguments, options, kUsage, world.rank() == 0)) return kExitDone;
  const bool by_score = keep || least;
  if (data.empty() || output.empty() || (count == 0 && !by_score && uids_file.empty() && scores_file.empty())) {
    throw input_error("clip_hpc filter needs --data, --output, and --count, --scores or --uids");
  }
  if (count < 0) throw input_error("--count must be at least 1, got {}", count);
  if (by_score == scores_file.empty() || (keep && least)) {
    throw input_error("--scores goes with one of --keep and --at-least");
  }
  if (by_score && !uids_file.empty()) throw input_error("--uids is a choice of its own: leave --scores out");
  if (keep && !(*keep > 0 && *keep <= 1)) throw input_error("--keep must be above 0 and at most 1, got {}", *keep);
  if (world.rank() != 0) return kExitDone;  // a matter of seconds on one rank, and no collective
  const PackedSet set(data);
  std::vector<std::uint64_t> ids;
  if (by_score) {
    const std::vector<float> scores = read_scores(scores_file, set);
    ids = keep ? best_share(set, scores, *keep) : at_least(scores, *least);
  } else if (!uids_file.empty()) {
    std::uint64_t unknown = 0;
    ids = listed_uids(set, uids_file, unknown);
    if (unknown > 0) log_warn("{} of the listed uids are not in {}", unknown, data);
  } else {
    ids.resize(set.count());
    std::iota(ids.begin(), ids.end(), std::uint64_t{0});
  }
  if (count > 0) ids = draw_subset(set, ids, static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(seed));
  write_subset(output, set, ids);
  log_info("{}: {} of {} samples", output, ids.size(), set.count());
  return kExitDone;
}

}  // namespace clip_hpc
