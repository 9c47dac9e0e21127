// Starting a kernel, written as a function: tests/cuda_on_host.hpp has another body of it and runs kernels without a
// device. For .cu files; their kernels use what that header offers and nothing else.
#pragma once

#if defined(__CUDACC__)
#include <cuda_runtime.h>

namespace clip_hpc {

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, void* stream, Arguments... arguments) {
  kernel<<<grid, block, 0, static_cast<cudaStream_t>(stream)>>>(static_cast<Parameters>(arguments)...);
}

}  // namespace clip_hpc
#endif
