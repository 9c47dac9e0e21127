#include "clip_hpc/comm/comm_options.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/device/device_library.hpp"

namespace clip_hpc {

void describe(OptionTable& table, CommOptions& options) {
  table.add("comm.backend", options.backend, "who moves tensors between ranks: auto, self (one rank), mpi or nccl",
            one_of({"auto", "self", "mpi", "nccl"}));
  table.add("comm.bucket_mib", options.bucket_mib, "gradients are summed in slices of this size, in MiB",
            in_range(0.001, 65536.0));
  table.add("comm.timeout_s", options.timeout_s, "a collective that takes longer ends the run, in seconds",
            in_range(1.0, 86400.0));
  table.add("comm.reduce_precision", options.reduce_precision,
            "how gradients are summed over ranks: `gradient`, in their own precision, or `fp32`, which sends twice as "
            "much in a "
            "bf16 run and rounds once",
            one_of({"gradient", "fp32"}));
  table.add("comm.shard_optimizer", options.shard_optimizer,
            "each rank keeps a share of the master weights and moments: less memory, one more collective a step");
}

std::unique_ptr<Communicator> make_communicator(World& world, const CommOptions& options, const ComputeDevice& device) {
  std::string backend = options.backend;
  if (backend == "nccl" && device.is_cpu()) {
    std::string reason = "train.device is cpu";
    if (!open_device_library(&reason)) reason += "; without a GPU there is no NCCL";
    throw device_error("comm.backend = nccl: {}; use auto or mpi", reason);
  }
  const auto shared = device.is_cpu() ? std::nullopt : shared_device(world.all_gather_strings(device.identity));
  if (backend == "nccl" && shared) {
    throw comm_error(
        "comm.backend = nccl: {}: NCCL needs a GPU for each rank; start fewer ranks a node (--ntasks-per-node), or use "
        "mpi",
        *shared);
  }
  if (backend == "auto") backend = world.size() == 1 ? "self" : device.is_cpu() || shared ? "mpi" : "nccl";
  if (backend == "nccl" && device_plane() == nullptr) throw internal_error("the device library is not open");
  if (backend == "nccl") return device_plane()->make_nccl(world, {.timeout_s = options.timeout_s});
  if (backend == "mpi") return make_mpi_communicator(world, {.timeout_s = options.timeout_s});
  if (backend != "self") throw input_error("comm.backend = {}: choose auto, self, mpi or nccl", options.backend);
  if (world.size() > 1)
    throw input_error("comm.backend = self is for one rank, this run has {}: use auto", world.size());
  return make_self_communicator();
}

}  // namespace clip_hpc
