// For *_gpu_test.cpp: the device library opened and its kernels in use, or the reason why the test is skipped.
#pragma once

#include <ATen/Context.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <string>

#include "clip_hpc/comm/device_kernels.hpp"
#include "clip_hpc/comm/device_library.hpp"

namespace clip_hpc {

// Empty: there is a device, and operators on its tensors run this project's kernels.
inline std::string why_no_device() {
  std::string reason;
  const auto library = open_device_library(&reason);
  if (!library) return reason;
  if (library->device_count() == 0) return "the driver tells of no device";
  if (device_kernels() == nullptr) {
    void* symbol = dlsym(RTLD_DEFAULT, "clip_hpc_device_kernels");
    if (symbol == nullptr) return library->path() + " was built without LibTorch's CUDA libraries";
    const DeviceKernels* kernels = reinterpret_cast<const DeviceKernels* (*)()>(symbol)();
    if (kernels->abi != kDeviceKernelsAbi) return library->path() + " is of another build";
    set_device_kernels(kernels);
  }
  return at::hasCUDA() ? "" : "LibTorch sees no CUDA device";
}

}  // namespace clip_hpc

#define CLIP_HPC_NEEDS_DEVICE() \
  if (const std::string why = clip_hpc::why_no_device(); !why.empty()) GTEST_SKIP() << why
