// Operators with a body on the device. A module declares, beside its operator, a table of plain functions over tensors,
// with the name of the C function that hands it out and a number that is raised with every change of it;
// libclip_hpc_cuda.so fills and exports it. Tables do not know each other:
//
//   struct FooKernels {
//     static constexpr const char* kSymbol = "clip_hpc_foo_kernels";
//     static constexpr std::uint32_t kAbi = 1;
//     std::uint32_t abi;
//     at::Tensor (*foo)(const at::Tensor& x);
//   };
#pragma once

#include <atomic>
#include <cstdint>

#include "clip_hpc/device/device_library.hpp"

namespace clip_hpc {

void use_device_library(const DeviceLibrary& library);  // from now on; one a process

void* find_device_kernels(const char* symbol);  // null: no library is open, or it has no such table
void check_device_kernels(const char* symbol, std::uint32_t found, std::uint32_t wanted);  // throws device

template <class Table>
std::atomic<const Table*>& device_kernels_slot() {
  static constinit std::atomic<const Table*> slot{nullptr};
  return slot;
}

// The table of the open library; null where none is open. Throws device where that is of another build.
template <class Table>
const Table* device_kernels() {
  std::atomic<const Table*>& slot = device_kernels_slot<Table>();
  if (const Table* known = slot.load(std::memory_order_acquire)) return known;
  void* const symbol = find_device_kernels(Table::kSymbol);
  if (symbol == nullptr) return nullptr;
  const Table* const table = reinterpret_cast<const Table* (*)()>(symbol)();
  check_device_kernels(Table::kSymbol, table->abi, Table::kAbi);
  slot.store(table, std::memory_order_release);
  return table;
}

// For tests: this one, or, with null, that of the open library again.
template <class Table>
void set_device_kernels(const Table* table) {
  device_kernels_slot<Table>().store(table, std::memory_order_release);
}

}  // namespace clip_hpc
