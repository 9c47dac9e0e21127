// Functions that are compiled for the CPU's vector loops and, by nvcc, for the device as well.
#pragma once

#if defined(__CUDACC__)
#define CLIP_HPC_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define CLIP_HPC_HOST_DEVICE __attribute__((always_inline)) inline
#endif
