// The memory of a contiguous tensor on the host, as bytes for files and checksums.
#pragma once

#include <ATen/ATen.h>

#include <cstddef>
#include <span>

namespace clip_hpc {

inline std::span<const std::byte> bytes_of(const at::Tensor& host) {
  return {static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()};
}

inline std::span<std::byte> mutable_bytes_of(const at::Tensor& host) {
  return {static_cast<std::byte*>(host.mutable_data_ptr()), host.nbytes()};
}

}  // namespace clip_hpc
