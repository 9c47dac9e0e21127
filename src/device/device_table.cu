// What the CUDA run time knows about the devices of this node, as the table that clip_hpc asks for.
#include <cuda_runtime.h>

#include <cstdio>

#include "clip_hpc/device/device_library.hpp"

namespace {

const char* words_of(cudaError_t code) { return code == cudaSuccess ? nullptr : cudaGetErrorString(code); }

int device_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

const char* describe(int device, char* buffer, std::size_t size) {
  cudaDeviceProp properties{};
  const cudaError_t code = cudaGetDeviceProperties(&properties, device);
  if (code != cudaSuccess) return words_of(code);
  std::snprintf(buffer, size, "%s, sm_%d%d, %d multiprocessors, %.1f GiB", properties.name, properties.major,
                properties.minor, properties.multiProcessorCount,
                static_cast<double>(properties.totalGlobalMem) / (1024.0 * 1024.0 * 1024.0));
  return nullptr;
}

const char* memory(int device, clip_hpc::DeviceMemory* into) {
  int before = 0;
  if (const char* failure = words_of(cudaGetDevice(&before))) return failure;
  if (const char* failure = words_of(cudaSetDevice(device))) return failure;
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  const cudaError_t code = cudaMemGetInfo(&free_bytes, &total_bytes);
  cudaSetDevice(before);
  *into = {free_bytes, total_bytes};
  return words_of(code);
}

int runtime_version() {
  int version = 0;
  return cudaRuntimeGetVersion(&version) == cudaSuccess ? version : 0;
}

int driver_version() {
  int version = 0;
  return cudaDriverGetVersion(&version) == cudaSuccess ? version : 0;
}

}  // namespace

extern "C" const clip_hpc::DeviceTable* clip_hpc_device_table() {
  static const clip_hpc::DeviceTable table{clip_hpc::kDeviceTableAbi, &device_count,  &describe, &memory,
                                           &runtime_version,          &driver_version};
  return &table;
}
