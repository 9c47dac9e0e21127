#include "clip_hpc/comm/device.hpp"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>
#include <array>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/device/device_kernels.hpp"

namespace clip_hpc {
namespace {

const DevicePlane*& opened_plane() {
  static const DevicePlane* plane = nullptr;
  return plane;
}

const DevicePlane* plane_of(const DeviceLibrary& library, std::string& reason) {
  void* const symbol = library.symbol("clip_hpc_device_plane");
  if (symbol == nullptr) {
    reason = library.path() + " was built without LibTorch's CUDA library: build it with one that has libtorch_cuda.so";
    return nullptr;
  }
  const DevicePlane* const plane = reinterpret_cast<const DevicePlane* (*)()>(symbol)();
  if (plane->abi == kDevicePlaneAbi) {
    use_device_library(library);
    return plane;
  }
  reason = library.path() + " is of another build than this program: build both again";
  return nullptr;
}

// This rank's GPU, or the reason why it has none.
struct Found {
  std::optional<DeviceLibrary> library;
  int index = -1;
  std::string reason;
};

Found look_for_gpu(const World& world) {
  Found found;
  found.library = open_device_library(&found.reason);
  if (!found.library) return found;
  const int count = found.library->device_count();
  if (count == 0) {
    found.reason = "the driver shows no GPU (CUDA_VISIBLE_DEVICES, or a job without --gpus?)";
    return found;
  }
  opened_plane() = plane_of(*found.library, found.reason);
  if (opened_plane() != nullptr) found.index = world.local_rank() % count;
  return found;
}

}  // namespace

ComputeDevice choose_device(World& world, const std::string& asked) {
  ComputeDevice chosen{at::kCPU, "", "CPU", ""};
  if (asked == "cpu") return chosen;
  const Found found = look_for_gpu(world);
  const std::vector<std::string> reasons = world.all_gather_strings(found.index >= 0 ? "" : found.reason);
  const auto first_without = std::ranges::find_if(reasons, [](const std::string& r) { return !r.empty(); });
  if (first_without != reasons.end()) {
    const bool no_one_has = std::ranges::none_of(reasons, [](const std::string& r) { return r.empty(); });
    if (asked == "auto" && no_one_has) {
      if (first_without->find(kNoDriver) == std::string::npos) chosen.why_cpu = *first_without;
      return chosen;
    }
    throw device_error("rank {} has no GPU: {}; use train.device = cpu, or a node that has one",
                       first_without - reasons.begin(), *first_without);
  }
  const c10::impl::VirtualGuardImpl guard(c10::DeviceType::CUDA);
  chosen.device = at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(found.index));
  guard.setDevice(chosen.device);
  guard.exchangeStream(guard.getStreamFromGlobalPool(chosen.device, false));
  chosen.identity = world.host_name() + " " + device_plane()->identity(found.index);
  chosen.description = found.library->describe(found.index);
  return chosen;
}

const DevicePlane* device_plane() { return opened_plane(); }

std::string device_library_versions(const DeviceLibrary& library) {
  std::string reason;
  const DevicePlane* const plane = plane_of(library, reason);
  return plane == nullptr ? reason : fmt::format("NCCL {}, cuDNN {}", plane->nccl_version(), plane->cudnn_version());
}

std::optional<std::string> shared_device(const std::vector<std::string>& identities) {
  std::map<std::string, std::size_t> first_user;
  for (std::size_t rank = 0; rank < identities.size(); ++rank) {
    const auto [place, is_new] = first_user.emplace(identities[rank], rank);
    if (!is_new) return fmt::format("ranks {} and {} share the GPU {}", place->second, rank, identities[rank]);
  }
  return std::nullopt;
}

void synchronize_device(const at::Device& device) {
  if (!device.is_cpu()) c10::impl::VirtualGuardImpl(device.type()).synchronizeDevice(device.index());
}

DevicePeak device_peak(const at::Device& device, bool reset) {
  if (device.is_cpu()) return {};
  auto* const allocator = c10::getDeviceAllocator(device.type());
  const auto stats = allocator->getDeviceStats(device.index());
  constexpr auto kAll = static_cast<std::size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  if (reset) allocator->resetPeakStats(device.index());
  return {stats.allocated_bytes[kAll].peak, stats.reserved_bytes[kAll].peak};
}

}  // namespace clip_hpc
