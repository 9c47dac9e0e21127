#include <c10/util/BFloat16.h>

#include <cstddef>
#include <cstdint>

#include "clip_hpc/device/cuda_launch.hpp"
#include "ops/fused_ops_cuda.hpp"
#include "ops/fused_ops_math.hpp"

namespace clip_hpc {
namespace {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffU;

// N neighbours of a row, moved by one instruction when they fill 16 bytes.
template <class T, int N>
struct alignas(sizeof(T) * N) Pack {
  T v[N];
};
template <class T>
constexpr int kFullPack = static_cast<int>(16 / sizeof(T));

template <int N, class T>
__device__ __forceinline__ Pack<T, N> load(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}
template <int N, class T>
__device__ __forceinline__ void store(T* p, const Pack<T, N>& pack) {
  *reinterpret_cast<Pack<T, N>*>(p) = pack;
}

// Whether rows of this width at these addresses can be read in full packs.
template <class T, class... Pointers>
bool packable(std::int64_t width, Pointers... pointers) {
  return width % kFullPack<T> == 0 && ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

dim3 extent(std::int64_t x, std::int64_t y = 1) { return {static_cast<unsigned>(x), static_cast<unsigned>(y), 1}; }

// --- Passes where a thread keeps its columns and walks down the rows ------------------------------------------------
// Block: 32 packs of columns times 8 rows. Grid: columns times blocks of rows.

constexpr int kRowLanes = 8;

// Enough blocks to fill the largest device several times over, and a function of the shape alone.
std::int64_t row_blocks(std::int64_t rows, std::int64_t width) {
  const std::int64_t column_blocks = ceil_div(width, kWarp * 8);
  const std::int64_t wanted = ceil_div(1024, column_blocks), most = ceil_div(rows, kRowLanes);
  return wanted < most ? wanted : most;
}

struct Walk {
  std::int64_t column, first_row, row_step;
};
template <int N>
__device__ __forceinline__ Walk walk_of_thread() {
  return {(static_cast<std::int64_t>(blockIdx.x) * kWarp + threadIdx.x) * N,
          static_cast<std::int64_t>(blockIdx.y) * kRowLanes + threadIdx.y,
          static_cast<std::int64_t>(gridDim.y) * kRowLanes};
}

// The block's sums over its rows -> partial[blockIdx.y][column]. All threads of a block come here.
template <int N>
__device__ __forceinline__ void write_block_sums(const float (&sums)[N], float* partial, std::int64_t column,
                                                 std::int64_t width) {
  __shared__ float shared[kRowLanes][kWarp * N];
#pragma unroll
  for (int i = 0; i < N; ++i) shared[threadIdx.y][i * kWarp + threadIdx.x] = sums[i];
  __syncthreads();
  if (threadIdx.y == 0 && column < width) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      float total = 0;
#pragma unroll
      for (int y = 0; y < kRowLanes; ++y) total += shared[y][i * kWarp + threadIdx.x];
      partial[static_cast<std::int64_t>(blockIdx.y) * width + column + i] = total;
    }
  }
}

template <Gelu kKind, int N, class T>
__global__ void gelu_kernel(const T* x, const T* bias, T* y, std::int64_t rows, std::int64_t width) {
  const Walk walk = walk_of_thread<N>();
  if (walk.column >= width) return;
  const Pack<T, N> b = load<N>(bias + walk.column);
#pragma unroll 4
  for (std::int64_t row = walk.first_row; row < rows; row += walk.row_step) {
    const std::int64_t at = row * width + walk.column;
    Pack<T, N> pack = load<N>(x + at);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      pack.v[i] = static_cast<T>(gelu_of<kKind>(static_cast<float>(pack.v[i]) + static_cast<float>(b.v[i])));
    }
    store(y + at, pack);
  }
}

template <Gelu kKind, int N, class T>
__global__ void gelu_backward_kernel(const T* grad, const T* x, const T* bias, T* by_x, float* partial,
                                     std::int64_t rows, std::int64_t width) {
  const Walk walk = walk_of_thread<N>();
  float sums[N] = {};
  if (walk.column < width) {
    const Pack<T, N> b = load<N>(bias + walk.column);
#pragma unroll 2
    for (std::int64_t row = walk.first_row; row < rows; row += walk.row_step) {
      const std::int64_t at = row * width + walk.column;
      const Pack<T, N> in = load<N>(x + at);
      Pack<T, N> g = load<N>(grad + at);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float slope = gelu_slope<kKind>(static_cast<float>(in.v[i]) + static_cast<float>(b.v[i]));
        const float by = static_cast<float>(g.v[i]) * slope;
        g.v[i] = static_cast<T>(by);
        sums[i] += by;
      }
      store(by_x + at, g);
    }
  }
  write_block_sums(sums, partial, walk.column, width);
}

template <int N, class T>
__global__ void add_bias_kernel(const T* x, const T* delta, const T* bias, T* y, std::int64_t rows,
                                std::int64_t width) {
  const Walk walk = walk_of_thread<N>();
  if (walk.column >= width) return;
  const Pack<T, N> b = load<N>(bias + walk.column);
#pragma unroll 4
  for (std::int64_t row = walk.first_row; row < rows; row += walk.row_step) {
    const std::int64_t at = row * width + walk.column;
    Pack<T, N> pack = load<N>(x + at);
    const Pack<T, N> d = load<N>(delta + at);
#pragma unroll
    for (int i = 0; i < N; ++i) pack.v[i] = residual_sum(pack.v[i], d.v[i], b.v[i]);
    store(y + at, pack);
  }
}

template <int N, class T>
__global__ void column_sums_kernel(const T* grad, float* partial, std::int64_t rows, std::int64_t width) {
  const Walk walk = walk_of_thread<N>();
  float sums[N] = {};
  if (walk.column < width) {
#pragma unroll 4
    for (std::int64_t row = walk.first_row; row < rows; row += walk.row_step) {
      const Pack<T, N> g = load<N>(grad + row * width + walk.column);
#pragma unroll
      for (int i = 0; i < N; ++i) sums[i] += static_cast<float>(g.v[i]);
    }
  }
  write_block_sums(sums, partial, walk.column, width);
}

// partial [parts, columns] -> sums [columns]. Block: 32 columns times 8 of the parts at a time.
template <class T>
__global__ void add_parts_kernel(const float* partial, T* sums, std::int64_t parts, std::int64_t columns) {
  __shared__ float shared[kRowLanes][kWarp];
  const std::int64_t column = static_cast<std::int64_t>(blockIdx.x) * kWarp + threadIdx.x;
  float sum = 0;
  if (column < columns) {
#pragma unroll 4
    for (std::int64_t part = threadIdx.y; part < parts; part += kRowLanes) sum += partial[part * columns + column];
  }
  shared[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && column < columns) {
    float total = 0;
    for (int y = 0; y < kRowLanes; ++y) total += shared[y][threadIdx.x];
    sums[column] = static_cast<T>(total);
  }
}

template <class T>
void launch_add_parts(const float* partial, T* sums, std::int64_t parts, std::int64_t columns, void* stream) {
  launch(add_parts_kernel<T>, extent(ceil_div(columns, kWarp)), extent(kWarp, kRowLanes), stream, partial, sums, parts,
         columns);
}

template <int N>
dim3 walk_grid(std::int64_t rows, std::int64_t width) {
  return extent(ceil_div(width, kWarp * N), row_blocks(rows, width));
}

// --- LayerNorm ------------------------------------------------------------------------------------------------------
// A row is held by blockDim.x threads, a multiple of 32, kPacks packs in each; blockDim.y rows run beside each other.

template <int N>
constexpr int kPacks = N == 1 ? 8 : 4;
template <int N>
constexpr int kMostThreads = N == 1 ? 1024 : (N == 4 ? 512 : 256);  // 8192 / (N * kPacks): the widest row
constexpr int kMostRowsAtOnce = 8;

template <int N>
dim3 norm_block(std::int64_t width) {
  const std::int64_t warps = ceil_div(width, static_cast<std::int64_t>(kWarp) * N * kPacks<N>);
  const std::int64_t rows = kMostRowsAtOnce / warps;
  return extent(warps * kWarp, rows > 1 ? rows : 1);
}

// Sum over the threads of a row, the same bits in each of them. All threads of a block come here.
__device__ __forceinline__ float row_sum(float value) {
#pragma unroll
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) value += __shfl_xor_sync(kAllLanes, value, lanes);
  if (blockDim.x == kWarp) return value;
  __shared__ float of_warps[kMostRowsAtOnce][kWarp];
  __syncthreads();  // the sums of the call before have been read
  if (threadIdx.x % kWarp == 0) of_warps[threadIdx.y][threadIdx.x / kWarp] = value;
  __syncthreads();
  float total = 0;
  for (unsigned warp = 0; warp < blockDim.x / kWarp; ++warp) total += of_warps[threadIdx.y][warp];
  return total;
}

template <bool kAdds, int N, class T>
__global__ void __launch_bounds__(kMostThreads<N>)
    norm_kernel(const T* x, const T* delta, const T* bias, const T* gamma, const T* beta, T* sum, T* normed,
                float* mean_of, float* rstd_of, std::int64_t rows, std::int64_t width, float eps) {
  const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const bool inside = row < rows;
  float v[kPacks<N>][N];
  float partial = 0;
#pragma unroll
  for (int p = 0; p < kPacks<N>; ++p) {
    const std::int64_t column = (static_cast<std::int64_t>(p) * blockDim.x + threadIdx.x) * N;
    const bool here = inside && column < width;
    Pack<T, N> pack{};
    if (here) {
      pack = load<N>(x + row * width + column);
      if constexpr (kAdds) {
        const Pack<T, N> d = load<N>(delta + row * width + column), b = load<N>(bias + column);
#pragma unroll
        for (int i = 0; i < N; ++i) pack.v[i] = residual_sum(pack.v[i], d.v[i], b.v[i]);
        store(sum + row * width + column, pack);
      }
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      v[p][i] = static_cast<float>(pack.v[i]);
      partial += v[p][i];
    }
  }
  const float share = 1.0F / static_cast<float>(width);
  const float mean = row_sum(partial) * share;
  partial = 0;
#pragma unroll
  for (int p = 0; p < kPacks<N>; ++p) {
    const std::int64_t column = (static_cast<std::int64_t>(p) * blockDim.x + threadIdx.x) * N;
    if (column < width) {
#pragma unroll
      for (int i = 0; i < N; ++i) partial += (v[p][i] - mean) * (v[p][i] - mean);
    }
  }
  const float rstd = 1.0F / sqrtf(row_sum(partial) * share + eps);
#pragma unroll
  for (int p = 0; p < kPacks<N>; ++p) {
    const std::int64_t column = (static_cast<std::int64_t>(p) * blockDim.x + threadIdx.x) * N;
    if (inside && column < width) {
      const Pack<T, N> g = load<N>(gamma + column), b = load<N>(beta + column);
      Pack<T, N> out;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float z = (v[p][i] - mean) * rstd;
        out.v[i] = static_cast<T>(z * static_cast<float>(g.v[i]) + static_cast<float>(b.v[i]));
      }
      store(normed + row * width + column, out);
    }
  }
  if (inside && threadIdx.x == 0) {
    mean_of[row] = mean;
    rstd_of[row] = rstd;
  }
}

// Blocks of backward: each takes every norm_blocks-th group of rows and keeps the sums of its columns in registers.
std::int64_t norm_backward_blocks(std::int64_t rows, std::int64_t rows_at_once) {
  const std::int64_t groups = ceil_div(rows, rows_at_once);
  return groups < 264 ? groups : 264;
}

template <bool kAdds, int N, class T>
__global__ void __launch_bounds__(kMostThreads<N>)
    norm_backward_kernel(const T* by_normed, const T* by_sum, const T* x, const T* gamma, const float* mean_of,
                         const float* rstd_of, T* by_x, float* partial, std::int64_t rows, std::int64_t width) {
  constexpr int kVectors = kAdds ? 3 : 2;  // by gamma, by beta, by bias
  float sums[kVectors][kPacks<N>][N] = {};
  const float share = 1.0F / static_cast<float>(width);
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.y;
  // Every thread makes the same number of turns, since row_sum waits for all of them.
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * blockDim.y; first < rows; first += step) {
    const std::int64_t row = first + threadIdx.y;
    const bool inside = row < rows;
    const float mean = inside ? mean_of[row] : 0.0F, rstd = inside ? rstd_of[row] : 0.0F;
    float z[kPacks<N>][N] = {}, g[kPacks<N>][N] = {};
    float sum_g = 0, sum_gz = 0;
#pragma unroll
    for (int p = 0; p < kPacks<N>; ++p) {
      const std::int64_t column = (static_cast<std::int64_t>(p) * blockDim.x + threadIdx.x) * N;
      if (inside && column < width) {
        const Pack<T, N> in = load<N>(x + row * width + column), dy = load<N>(by_normed + row * width + column);
        const Pack<T, N> scale = load<N>(gamma + column);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          const float by = static_cast<float>(dy.v[i]);
          z[p][i] = (static_cast<float>(in.v[i]) - mean) * rstd;
          g[p][i] = by * static_cast<float>(scale.v[i]);
          sums[0][p][i] += by * z[p][i];
          sums[1][p][i] += by;
          sum_g += g[p][i];
          sum_gz += g[p][i] * z[p][i];
        }
      }
    }
    const float mean_g = row_sum(sum_g) * share;
    const float mean_gz = row_sum(sum_gz) * share;
#pragma unroll
    for (int p = 0; p < kPacks<N>; ++p) {
      const std::int64_t column = (static_cast<std::int64_t>(p) * blockDim.x + threadIdx.x) * N;
      if (inside && column < width) {
        Pack<T, N> out, other{};
        if constexpr (kAdds) other = load<N>(by_sum + row * width + column);
#pragma unroll
        for (int i = 0; i < N; ++i) {
          out.v[i] = static_cast<T>(norm_slope(g[p][i], z[p][i], mean_g, mean_gz, rstd));
          if constexpr (kAdds) {
            out.v[i] = static_cast<T>(static_cast<float>(out.v[i]) + static_cast<float>(other.v[i]));
            sums[2][p][i] += static_cast<float>(out.v[i]);
          }
        }
        store(by_x + row * width + column, out);
      }
    }
  }
  // The rows of the block that ran beside each other, one after the other; then one line of partial for the block.
  __shared__ float
      shared[kMostThreads<N> * N * kPacks<N> / 2];  // more than one row at once: at most half of the widest
#pragma unroll
  for (int vector = 0; vector < kVectors; ++vector) {
    for (unsigned y = 1; y < blockDim.y; ++y) {
      __syncthreads();
      if (threadIdx.y == y) {
#pragma unroll
        for (int p = 0; p < kPacks<N>; ++p) {
#pragma unroll
          for (int i = 0; i < N; ++i) shared[(p * N + i) * blockDim.x + threadIdx.x] = sums[vector][p][i];
        }
      }
      __syncthreads();
      if (threadIdx.y == 0) {
#pragma unroll
        for (int p = 0; p < kPacks<N>; ++p) {
#pragma unroll
          for (int i = 0; i < N; ++i) sums[vector][p][i] += shared[(p * N + i) * blockDim.x + threadIdx.x];
        }
      }
    }
    if (threadIdx.y == 0) {
#pragma unroll
      for (int p = 0; p < kPacks<N>; ++p) {
        const std::int64_t column = (static_cast<std::int64_t>(p) * blockDim.x + threadIdx.x) * N;
#pragma unroll
        for (int i = 0; i < N; ++i) {
          if (column < width) {
            partial[(static_cast<std::int64_t>(blockIdx.x) * kVectors + vector) * width + column + i] =
                sums[vector][p][i];
          }
        }
      }
    }
  }
}

// --- Pixels ---------------------------------------------------------------------------------------------------------

constexpr int kPixelThreads = 256;

template <int N, class T>
__global__ void pixel_kernel(const std::uint8_t* bytes, T* y, ChannelAffine affine, std::int64_t plane) {
  const unsigned channel = blockIdx.x % 3;
  const float scale = affine.scale[channel], shift = affine.shift[channel];
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * plane;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.y) * kPixelThreads * N;
  for (std::int64_t i = (static_cast<std::int64_t>(blockIdx.y) * kPixelThreads + threadIdx.x) * N; i < plane;
       i += step) {
    const Pack<std::uint8_t, N> in = load<N>(bytes + begin + i);
    Pack<T, N> out;
#pragma unroll
    for (int k = 0; k < N; ++k) out.v[k] = static_cast<T>(shift + static_cast<float>(in.v[k]) * scale);
    store(y + begin + i, out);
  }
}

}  // namespace

namespace {

template <int N, class T>
auto gelu_kernel_of(Gelu kind) {
  if (kind == Gelu::quick) return gelu_kernel<Gelu::quick, N, T>;
  return kind == Gelu::tanh ? gelu_kernel<Gelu::tanh, N, T> : gelu_kernel<Gelu::exact, N, T>;
}

template <int N, class T>
auto gelu_backward_kernel_of(Gelu kind) {
  if (kind == Gelu::quick) return gelu_backward_kernel<Gelu::quick, N, T>;
  return kind == Gelu::tanh ? gelu_backward_kernel<Gelu::tanh, N, T> : gelu_backward_kernel<Gelu::exact, N, T>;
}

}  // namespace

template <class T>
void launch_bias_gelu(const T* x, const T* bias, T* y, std::int64_t rows, std::int64_t width, Gelu kind, void* stream) {
  constexpr int kN = kFullPack<T>;
  const dim3 block = extent(kWarp, kRowLanes);
  if (packable<T>(width, x, bias, y)) {
    const auto kernel = gelu_kernel_of<kN, T>(kind);
    launch(kernel, walk_grid<kN>(rows, width), block, stream, x, bias, y, rows, width);
  } else {
    const auto kernel = gelu_kernel_of<1, T>(kind);
    launch(kernel, walk_grid<1>(rows, width), block, stream, x, bias, y, rows, width);
  }
}

std::size_t column_workspace(std::int64_t rows, std::int64_t width) {
  return static_cast<std::size_t>(row_blocks(rows, width) * width);
}

template <class T>
void launch_bias_gelu_backward(const T* grad, const T* x, const T* bias, T* by_x, T* by_bias, float* workspace,
                               std::int64_t rows, std::int64_t width, Gelu kind, void* stream) {
  constexpr int kN = kFullPack<T>;
  const dim3 block = extent(kWarp, kRowLanes);
  if (packable<T>(width, grad, x, bias, by_x)) {
    const auto kernel = gelu_backward_kernel_of<kN, T>(kind);
    launch(kernel, walk_grid<kN>(rows, width), block, stream, grad, x, bias, by_x, workspace, rows, width);
  } else {
    const auto kernel = gelu_backward_kernel_of<1, T>(kind);
    launch(kernel, walk_grid<1>(rows, width), block, stream, grad, x, bias, by_x, workspace, rows, width);
  }
  launch_add_parts(workspace, by_bias, row_blocks(rows, width), width, stream);
}

template <class T>
void launch_add_bias(const T* x, const T* delta, const T* bias, T* y, std::int64_t rows, std::int64_t width,
                     void* stream) {
  constexpr int kN = kFullPack<T>;
  const dim3 block = extent(kWarp, kRowLanes);
  if (packable<T>(width, x, delta, bias, y)) {
    launch(add_bias_kernel<kN, T>, walk_grid<kN>(rows, width), block, stream, x, delta, bias, y, rows, width);
  } else {
    launch(add_bias_kernel<1, T>, walk_grid<1>(rows, width), block, stream, x, delta, bias, y, rows, width);
  }
}

template <class T>
void launch_column_sums(const T* grad, T* sums, float* workspace, std::int64_t rows, std::int64_t width, void* stream) {
  constexpr int kN = kFullPack<T>;
  const dim3 block = extent(kWarp, kRowLanes);
  if (packable<T>(width, grad)) {
    launch(column_sums_kernel<kN, T>, walk_grid<kN>(rows, width), block, stream, grad, workspace, rows, width);
  } else {
    launch(column_sums_kernel<1, T>, walk_grid<1>(rows, width), block, stream, grad, workspace, rows, width);
  }
  launch_add_parts(workspace, sums, row_blocks(rows, width), width, stream);
}

namespace {

template <int N, class T>
void launch_norm(const T* x, const T* delta, const T* bias, const T* gamma, const T* beta, T* sum, T* normed,
                 float* mean, float* rstd, std::int64_t rows, std::int64_t width, float eps, void* stream) {
  const dim3 block = norm_block<N>(width);
  const auto kernel = delta != nullptr ? norm_kernel<true, N, T> : norm_kernel<false, N, T>;
  launch(kernel, extent(ceil_div(rows, block.y)), block, stream, x, delta, bias, gamma, beta, sum, normed, mean, rstd,
         rows, width, eps);
}

template <int N, class T>
void launch_norm_backward(const T* by_normed, const T* by_sum, const T* x, const T* gamma, const float* mean,
                          const float* rstd, T* by_x, T* by_vectors, float* workspace, std::int64_t rows,
                          std::int64_t width, void* stream) {
  const dim3 block = norm_block<N>(width);
  const std::int64_t blocks = norm_backward_blocks(rows, block.y);
  const auto kernel = by_sum != nullptr ? norm_backward_kernel<true, N, T> : norm_backward_kernel<false, N, T>;
  launch(kernel, extent(blocks), block, stream, by_normed, by_sum, x, gamma, mean, rstd, by_x, workspace, rows, width);
  launch_add_parts(workspace, by_vectors, blocks, (by_sum != nullptr ? 3 : 2) * width, stream);
}

}  // namespace

template <class T>
void launch_add_layer_norm(const T* x, const T* delta, const T* bias, const T* gamma, const T* beta, T* sum, T* normed,
                           float* mean, float* rstd, std::int64_t rows, std::int64_t width, float eps, void* stream) {
  const auto run =
      packable<T>(width, x, delta, bias, gamma, beta, sum, normed) ? launch_norm<kFullPack<T>, T> : launch_norm<1, T>;
  run(x, delta, bias, gamma, beta, sum, normed, mean, rstd, rows, width, eps, stream);
}

std::size_t layer_norm_workspace(std::int64_t rows, std::int64_t width, bool adds) {
  // Rows at once only make the blocks fewer: this is enough for every form of the kernel.
  return static_cast<std::size_t>(norm_backward_blocks(rows, 1) * (adds ? 3 : 2) * width);
}

template <class T>
void launch_layer_norm_backward(const T* by_normed, const T* by_sum, const T* x, const T* gamma, const float* mean,
                                const float* rstd, T* by_x, T* by_vectors, float* workspace, std::int64_t rows,
                                std::int64_t width, void* stream) {
  const auto run = packable<T>(width, by_normed, by_sum, x, gamma, by_x) ? launch_norm_backward<kFullPack<T>, T>
                                                                         : launch_norm_backward<1, T>;
  run(by_normed, by_sum, x, gamma, mean, rstd, by_x, by_vectors, workspace, rows, width, stream);
}

template <class T>
void launch_normalise_pixels(const std::uint8_t* bytes, T* y, ChannelAffine affine, std::int64_t planes,
                             std::int64_t plane, void* stream) {
  constexpr int kN = kFullPack<T>;
  const bool full = plane % kN == 0 && reinterpret_cast<std::uintptr_t>(bytes) % kN == 0 &&
                    reinterpret_cast<std::uintptr_t>(y) % 16 == 0;
  const std::int64_t blocks = ceil_div(plane, static_cast<std::int64_t>(kPixelThreads) * (full ? kN : 1));
  const dim3 grid = extent(planes, blocks < 65535 ? blocks : 65535);
  launch(full ? pixel_kernel<kN, T> : pixel_kernel<1, T>, grid, extent(kPixelThreads), stream, bytes, y, affine, plane);
}

// The two types that models are trained in.
#define CLIP_HPC_FUSED_OPS(T)                                                                                          \
  template void launch_bias_gelu(const T*, const T*, T*, std::int64_t, std::int64_t, Gelu, void*);                     \
  template void launch_bias_gelu_backward(const T*, const T*, const T*, T*, T*, float*, std::int64_t, std::int64_t,    \
                                          Gelu, void*);                                                                \
  template void launch_add_bias(const T*, const T*, const T*, T*, std::int64_t, std::int64_t, void*);                  \
  template void launch_column_sums(const T*, T*, float*, std::int64_t, std::int64_t, void*);                           \
  template void launch_add_layer_norm(const T*, const T*, const T*, const T*, const T*, T*, T*, float*, float*,        \
                                      std::int64_t, std::int64_t, float, void*);                                       \
  template void launch_layer_norm_backward(const T*, const T*, const T*, const T*, const float*, const float*, T*, T*, \
                                           float*, std::int64_t, std::int64_t, void*);                                 \
  template void launch_normalise_pixels(const std::uint8_t*, T*, ChannelAffine, std::int64_t, std::int64_t, void*);
CLIP_HPC_FUSED_OPS(float)
CLIP_HPC_FUSED_OPS(c10::BFloat16)
#undef CLIP_HPC_FUSED_OPS

}  // namespace clip_hpc
