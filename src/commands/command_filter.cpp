#include <numeric>
#include <optional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/data/packed/scores.hpp"
#include "clip_hpc/data/packed/subset.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kFilterUsage =
    R"(clip_hpc filter: a subset of a packed set, as a list of sample ids; no picture is copied

By quality (--scores with --keep or --at-least), by a list (--uids), by number (--count); a number goes with the others,
and draws from what they keep. Draws of one seed are nested: the 10,000 lie inside the 25,000. Train on one with
data.subset.

Examples:
  clip_hpc filter --data data/packed/glyphs/train --count 10000 --output data/packed/glyphs/10k.h5
  clip_hpc --config configs/quickstart.cfg --set data.subset=data/packed/glyphs/10k.h5 --run-dir runs/10k
  clip_hpc filter --data data/packed/glyphs/train --scores data/packed/glyphs/scores.h5 --keep 0.4 --output data/packed/glyphs/best.h5
)";

struct FilterRequest {
  std::string data, output, scores, uids;
  std::optional<std::int64_t> count;  // 0: as if it were not given
  std::int64_t seed = 0;
  std::optional<double> keep, at_least;
  bool draws() const { return count.value_or(0) > 0; }
  bool by_score() const { return keep || at_least; }
};

void declare(ArgumentTable& table, FilterRequest& request) {
  table.add("data", request.data, "packed set");
  table.add("count", request.count, "samples to draw",
            Check<std::optional<std::int64_t>>(
                [](const std::string& name, const std::optional<std::int64_t>& count) { at_least(0)(name, *count); }));
  table.add("seed", request.seed, "of the draw");
  table.add("scores", request.scores, "of clip_hpc score, or a NumPy array of one number a sample");
  table.add("keep", request.keep, "share of the set, the best first: 0 to 1",
            Check<std::optional<double>>([](const std::string& name, const std::optional<double>& keep) {
              if (!(*keep > 0 && *keep <= 1))
                throw input_error("{} must be above 0 and at most 1, got {}", name, *keep);
            }));
  table.add("at-least", request.at_least, "keep scores from this on");
  table.add("uids", request.uids, "keep what this .npy lists, two u64 an entry, as DataComp's subsets");
  table.add("output", request.output, "subset file, .h5");
}

void check(const FilterRequest& request) {
  const bool chooses = request.draws() || request.by_score() || !request.uids.empty() || !request.scores.empty();
  if (request.data.empty() || request.output.empty() || !chooses) {
    throw input_error("clip_hpc filter needs --data, --output, and --count, --scores or --uids");
  }
  if (request.by_score() == request.scores.empty() || (request.keep && request.at_least)) {
    throw input_error("--scores goes with one of --keep and --at-least");
  }
  if (request.by_score() && !request.uids.empty()) {
    throw input_error("--uids is a choice of its own: leave --scores out");
  }
}

std::vector<std::uint64_t> chosen_ids(const FilterRequest& request, const PackedSet& set) {
  if (request.by_score()) {
    const std::vector<float> scores = read_scores(request.scores, set);
    return request.keep ? best_share(set, scores, *request.keep) : at_least(scores, *request.at_least);
  }
  if (!request.uids.empty()) {
    std::uint64_t unknown = 0;
    std::vector<std::uint64_t> ids = listed_uids(set, request.uids, unknown);
    if (unknown > 0) log_warn("{} of the listed uids are not in {}", unknown, request.data);
    return ids;
  }
  std::vector<std::uint64_t> ids(set.count());
  std::iota(ids.begin(), ids.end(), std::uint64_t{0});
  return ids;
}

}  // namespace

int command_filter(World& world, std::span<const std::string> arguments) {
  FilterRequest request;
  ArgumentTable table;
  declare(table, request);
  if (!read_arguments(table, arguments, kFilterUsage, world.rank() == 0)) return kExitDone;
  check(request);
  if (world.rank() != 0) return kExitDone;  // a matter of seconds on one rank, and no collective
  const PackedSet set(request.data);
  std::vector<std::uint64_t> ids = chosen_ids(request, set);
  if (request.draws()) {
    ids = draw_subset(set, ids, static_cast<std::uint64_t>(*request.count), static_cast<std::uint64_t>(request.seed));
  }
  write_subset(request.output, set, ids);
  log_info("{}: {} of {} samples", request.output, ids.size(), set.count());
  return kExitDone;
}

}  // namespace clip_hpc
