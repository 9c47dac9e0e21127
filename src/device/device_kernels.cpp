#include "clip_hpc/device/device_kernels.hpp"

#include <atomic>

namespace clip_hpc {
namespace {

std::atomic<const DeviceKernels*> table{nullptr};

}  // namespace

const DeviceKernels* device_kernels() { return table.load(std::memory_order_acquire); }

void set_device_kernels(const DeviceKernels* kernels) { table.store(kernels, std::memory_order_release); }

}  // namespace clip_hpc
