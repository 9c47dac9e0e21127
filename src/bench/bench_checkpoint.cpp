#include "clip_hpc/bench/bench_checkpoint.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/checkpoint/checkpoint_writer.hpp"
#include "clip_hpc/checkpoint/training_state.hpp"
#include "clip_hpc/model/clip_model.hpp"

namespace clip_hpc {
namespace {

template <class Call>
double slowest_ms(World& world, Call&& call) {
  world.barrier();
  const Timer timer;
  call();
  std::array<double, 1> took{timer.milliseconds()};
  world.all_reduce_max(took);
  return took[0];
}

}  // namespace

CheckpointRate bench_checkpoint(World& world, const CheckpointBenchOptions& options) {
  const ArenaShare share = options.shard_optimizer ? ArenaShare{world.rank(), world.size()} : ArenaShare{};
  ClipModel model(options.model, at::kFloat, at::kCPU, share);
  model.initialise("open_clip", 0);
  Updater updater(model.arena(), {});
  const std::filesystem::path folder = options.folder / "step_000000001";
  CheckpointWriter writer(world);
  std::vector<double> blocked, writes_ms, reads_ms;
  CheckpointRate rate;
  for (std::int64_t round = 0; round <= options.rounds; ++round) {
    CheckpointContent content = content_of({model, updater});
    content.about = {{"step", 0}, {"samples_seen", 0}};
    const double blocked_ms = slowest_ms(world, [&] { writer.begin(folder, content); });
    const double write_ms = blocked_ms + slowest_ms(world, [&] { writer.finish(); });
    const double read_ms = slowest_ms(world, [&] { restore_checkpoint(folder, content.buffers); });
    if (world.rank() == 0) {
      rate.bytes = 0;
      for (const auto& file : std::filesystem::recursive_directory_iterator(folder)) {
        if (file.is_regular_file()) rate.bytes += static_cast<std::int64_t>(file.file_size());
      }
      std::filesystem::remove_all(folder);
    }
    world.barrier();
    if (round == 0) continue;
    blocked.push_back(blocked_ms);
    writes_ms.push_back(write_ms);
    reads_ms.push_back(read_ms);
  }
  if (world.rank() == 0) {
    std::error_code not_ours;  // other files may lie in the folder
    std::filesystem::remove(options.folder, not_ours);
  }
  rate.blocked_ms = upper_median(blocked);
  rate.write_ms = upper_median(writes_ms);
  rate.read_ms = upper_median(reads_ms);
  return rate;
}

}  // namespace clip_hpc
