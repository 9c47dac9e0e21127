#include "clip_hpc/train/explained_failures.hpp"

#include <c10/util/Exception.h>

#include <algorithm>
#include <cstdlib>

#include "clip_hpc/base/deadline.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/train/roll_call.hpp"
#include "clip_hpc/train/watchdog.hpp"

namespace clip_hpc {
namespace {

std::string out_of_memory_text(std::int64_t rows, const TrainOptions& options, const ComputeDevice& device,
                               const c10::Error& problem) {
  const std::string words = problem.what_without_backtrace();
  return fmt::format(
      "rank {}: out of memory with {} pairs a rank{}: at most {:.1f} GiB were in use before. Try train.micro_batch = "
      "{} "
      "(the same gradient), train.recompute = true, or comm.shard_optimizer = true with several ranks. LibTorch says: "
      "{}",
      device.identity, rows, options.micro_batch > 0 ? fmt::format(", {} of them at once", options.micro_batch) : "",
      static_cast<double>(device_peak(device.device).allocated_bytes) / 1073741824.0,
      std::max<std::int64_t>(1, (options.micro_batch > 0 ? options.micro_batch : rows) / 2),
      words.substr(0, words.find('\n')));
}

}  // namespace

int with_explained_failures(World& world, const TrainRequest& request,
                            const std::function<int(const ComputeDevice& device, bool& began)>& run) {
  const TrainOptions& options = request.config.train;
  if (options.deterministic) ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", 0);  // read when the first GEMM runs
  const ComputeDevice device = choose_device(world, options.device);
  bool began = false;
  try {
    return run(device, began);
  } catch (const c10::OutOfMemoryError& problem) {
    const std::int64_t rows = (options.global_batch + world.size() - 1) / world.size();
    throw device_error("{}", out_of_memory_text(rows, options, device, problem));
  } catch (const Error& problem) {
    if (exit_code(problem.kind()) != kExitComm || !began) throw;
    const ErrorKind kind = lost_peer_kind(request.folder);
    if (problem.kind() != ErrorKind::hang) throw Error(kind, problem.what());
    const RollCall call = roll_call(world, request.folder, request.config.comm.timeout_s);
    const Deadline deadline(4 * call.patience_s, [&] { leave_hung_run(problem.what(), kind); });
    const auto told = call_the_roll(call, whereabouts(*world.in_flight(), true));
    throw Error(kind, told ? fmt::format("{}\n  {}", problem.what(), *told) : problem.what());
  }
}

}  // namespace clip_hpc
