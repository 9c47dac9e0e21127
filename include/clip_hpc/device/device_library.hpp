// The door to device code. clip_hpc itself links no CUDA: libclip_hpc_cuda.so is opened where a driver is, and hands
// back one table of plain functions. Compiled by nvcc too: no tensor, no fmt in here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace clip_hpc {

inline constexpr std::uint32_t kDeviceTableAbi = 1;  // raise it with every change of DeviceTable

struct DeviceMemory {
  std::uint64_t free_bytes;
  std::uint64_t total_bytes;
};

// Functions return nullptr, or the reason why they failed.
struct DeviceTable {
  std::uint32_t abi;
  int (*device_count)();                                                // 0 when there is none or the driver refuses
  const char* (*describe)(int device, char* buffer, std::size_t size);  // "NVIDIA H100, sm_90, 79.2 GiB"
  const char* (*memory)(int device, DeviceMemory* memory);
  int (*runtime_version)();  // 13000 is CUDA 13.0
  int (*driver_version)();
};

// Never closed: the CUDA run time registers handlers that run when the process ends.
class DeviceLibrary {
 public:
  DeviceLibrary(const DeviceTable* table, void* handle, std::string path)
      : table_(table), handle_(handle), path_(std::move(path)) {}
  int device_count() const { return table_->device_count(); }
  std::string describe(int device) const;  // throws Error{device}
  DeviceMemory memory(int device) const;   // throws Error{device}
  int runtime_version() const { return table_->runtime_version(); }
  int driver_version() const { return table_->driver_version(); }
  const std::string& path() const { return path_; }
  void* symbol(const char* name) const;  // nullptr where this build has no such part

 private:
  const DeviceTable* table_;
  void* handle_;
  std::string path_;
};

inline constexpr const char* kNoDriver = "no CUDA driver on this machine";  // how such a reason begins

// nullopt where there is no driver or no library; `reason` then says which, for the user.
std::optional<DeviceLibrary> open_device_library(std::string* reason = nullptr);

}  // namespace clip_hpc
