#include "clip_hpc/device/device_library.hpp"

#include <dlfcn.h>

#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kLibrary = "libclip_hpc_cuda.so";

std::string loader_words() {
  const char* words = dlerror();
  return words != nullptr ? words : "unknown error of the loader";
}

// Beside the program first: an installed copy elsewhere may be of another version. Last: the loader's own path.
std::array<std::string, 4> candidates() {
  std::error_code ignored;
  const std::filesystem::path bin = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  return {(bin / "../lib" / kLibrary).lexically_normal().string(),
          (bin / "../lib64" / kLibrary).lexically_normal().string(),
          (bin / "../lib/x86_64-linux-gnu" / kLibrary).lexically_normal().string(), kLibrary};
}

std::optional<DeviceLibrary> look_up(std::string& reason) {
  if (dlopen("libcuda.so.1", RTLD_LAZY | RTLD_GLOBAL) == nullptr) {
    reason = std::string(kNoDriver) + " (" + loader_words() + ")";
    return std::nullopt;
  }
  for (const std::string& path : candidates()) {
    std::error_code ignored;
    if (path.find('/') != std::string::npos && !std::filesystem::exists(path, ignored)) continue;
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (library == nullptr) {
      reason = "cannot open " + path + ": " + loader_words();
      continue;
    }
    void* symbol = dlsym(library, "clip_hpc_device_table");
    if (symbol == nullptr) {
      reason = path + " is not of this program: " + loader_words();
      continue;
    }
    const DeviceTable* table = reinterpret_cast<const DeviceTable* (*)()>(symbol)();
    if (table->abi != kDeviceTableAbi) {
      reason = fmt::format("{} is of another build (table {}, this program needs {}): build both again", path,
                           table->abi, kDeviceTableAbi);
      continue;
    }
    return DeviceLibrary(table, library, path);
  }
  return std::nullopt;
}

void check(const char* failure, int device) {
  if (failure != nullptr) throw device_error("device {}: {}", device, failure);
}

}  // namespace

std::string DeviceLibrary::describe(int device) const {
  std::array<char, 512> buffer{};
  check(table_->describe(device, buffer.data(), buffer.size()), device);
  return buffer.data();
}

DeviceMemory DeviceLibrary::memory(int device) const {
  DeviceMemory memory{};
  check(table_->memory(device, &memory), device);
  return memory;
}

void* DeviceLibrary::symbol(const char* name) const { return dlsym(handle_, name); }

std::optional<DeviceLibrary> open_device_library(std::string* reason) {
  std::string why;
  auto library = look_up(why);
  if (reason != nullptr) *reason = why;
  return library;
}

}  // namespace clip_hpc
