#include "clip_hpc/device/device_kernels.hpp"

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

std::atomic<const DeviceLibrary*> open_library{nullptr};

}  // namespace

void use_device_library(const DeviceLibrary& library) {
  static const DeviceLibrary kept = library;
  open_library.store(&kept, std::memory_order_release);
}

void* find_device_kernels(const char* symbol) {
  const DeviceLibrary* const library = open_library.load(std::memory_order_acquire);
  return library == nullptr ? nullptr : library->symbol(symbol);
}

void check_device_kernels(const char* symbol, std::uint32_t found, std::uint32_t wanted) {
  if (found == wanted) return;
  throw device_error("{}: {} is of another build (table {}, this program needs {}): build both again",
                     open_library.load(std::memory_order_acquire)->path(), symbol, found, wanted);
}

}  // namespace clip_hpc
