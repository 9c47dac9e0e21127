#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/data/subset.hpp"
#include "words.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage =
    R"(clip_hpc filter: a subset of a packed set, as a list of sample ids; no picture is copied

Subsets of one seed are nested: the 10,000 lie inside the 25,000. Train on one with data.subset.

Examples:
  clip_hpc filter --data packed/glyphs/train --count 10000 --output packed/glyphs/10k.h5
  clip_hpc --config configs/quickstart.cfg --set data.subset=packed/glyphs/10k.h5 --run-dir runs/10k
)";

}  // namespace

int command_filter(World& world, std::span<const std::string> arguments) {
  std::string data, output;
  std::int64_t count = 0, seed = 0;
  po::options_description options("Options");
  options.add_options()("data", po::value(&data), "packed set")("count", po::value(&count), "samples to keep")(
      "seed", po::value(&seed)->default_value(0), "of the draw")("output", po::value(&output), "subset file, .h5");
  if (!read_words(arguments, options, kUsage, world.rank() == 0)) return kExitDone;
  if (data.empty() || output.empty()) throw input_error("clip_hpc filter needs --data, --count and --output");
  if (count < 1) throw input_error("--count must be at least 1, got {}", count);
  if (world.rank() != 0) return kExitDone;  // a matter of seconds on one rank, and no collective
  const PackedSet set(data);
  const std::vector<std::uint64_t> ids =
      draw_subset(set, static_cast<std::uint64_t>(count), static_cast<std::uint64_t>(seed));
  write_subset(output, set, ids);
  log_info("{}: {} of {} samples", output, ids.size(), set.count());
  return kExitDone;
}

}  // namespace clip_hpc
