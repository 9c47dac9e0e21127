// Where a rank computes: on the CPU, or on the GPU of its place among the ranks of its node.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/comm/device_plane.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/device/device_library.hpp"

namespace clip_hpc {

struct ComputeDevice {
  at::Device device = at::kCPU;
  std::string identity;     // "host 0000:17:00.0"; empty on the CPU
  std::string description;  // "NVIDIA H100, sm_90, ..."; "CPU"
  std::string why_cpu;      // where auto found a driver and yet no GPU to use; else empty
  bool is_cpu() const { return device.is_cpu(); }
};

// Collective. `asked`: auto (a GPU where every rank has one), cpu or cuda. Makes it the current device and, so that
// graphs can be recorded, gives the calling thread a stream of its own. Throws device when cuda was asked for and is
// not there, or when only some ranks have one.
ComputeDevice choose_device(World& world, const std::string& asked);

// Of the library that choose_device opened; nullptr when there is none.
const DevicePlane* device_plane();

// "NCCL 2.28.9, cuDNN 9.19.0" of a library that is open, or why it has none.
std::string device_library_versions(const DeviceLibrary& library);

// "ranks 0 and 1 share host 0000:17:00.0", or nothing. One identity a rank, in rank order.
std::optional<std::string> shared_device(const std::vector<std::string>& identities);

void synchronize_device(const at::Device& device);  // waits for all that was asked of it; nothing on the CPU

// Memory that LibTorch's allocator has on the device, in bytes: the most that was in use since the last call.
struct DevicePeak {
  std::int64_t allocated_bytes = 0, reserved_bytes = 0;
};
DevicePeak device_peak(const at::Device& device, bool reset = false);  // zeros on the CPU

}  // namespace clip_hpc
