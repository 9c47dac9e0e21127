// CUDA bodies of fused_ops.hpp over raw pointers; T is float or c10::BFloat16. Everything is queued on `stream` and
// nothing waits for it. Sums over rows are taken in an order that depends on the shape alone: no atomics, the same bits
// every time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "clip_hpc/ops/gelu.hpp"

namespace clip_hpc {

inline constexpr std::int64_t kWidestDeviceRow = 8192;  // of layer_norm: a row stays in a block's registers

// y = GELU(x + bias). [rows, width]
template <class T>
void launch_bias_gelu(const T* x, const T* bias, T* y, std::int64_t rows, std::int64_t width, Gelu kind, void* stream);

// Number of floats that a backward pass needs beside its results: partial sums of blocks of rows.
std::size_t column_workspace(std::int64_t rows, std::int64_t width);
std::size_t layer_norm_workspace(std::int64_t rows, std::int64_t width, bool adds);

template <class T>
void launch_bias_gelu_backward(const T* grad, const T* x, const T* bias, T* by_x, T* by_bias, float* workspace,
                               std::int64_t rows, std::int64_t width, Gelu kind, void* stream);

// y = x + (delta + bias), rounded once.
template <class T>
void launch_add_bias(const T* x, const T* delta, const T* bias, T* y, std::int64_t rows, std::int64_t width,
                     void* stream);
template <class T>
void launch_column_sums(const T* grad, T* sums, float* workspace, std::int64_t rows, std::int64_t width, void* stream);

// Without delta and bias (null): normed = LayerNorm(x), and sum is not written. mean, rstd: [rows].
template <class T>
void launch_add_layer_norm(const T* x, const T* delta, const T* bias, const T* gamma, const T* beta, T* sum, T* normed,
                           float* mean, float* rstd, std::int64_t rows, std::int64_t width, float eps, void* stream);

// by_sum null: the gradient of LayerNorm alone, and by_vectors is [2, width]: by gamma, by beta. With by_sum it joins
// by_x, and by_vectors [3, width] ends with the column sums of by_x, the gradient by the bias.
template <class T>
void launch_layer_norm_backward(const T* by_normed, const T* by_sum, const T* x, const T* gamma, const float* mean,
                                const float* rstd, T* by_x, T* by_vectors, float* workspace, std::int64_t rows,
                                std::int64_t width, void* stream);

struct ChannelAffine {
  float scale[3], shift[3];
};

// bytes [planes, plane], channel of a plane = its index modulo 3 -> bytes * scale + shift.
template <class T>
void launch_normalise_pixels(const std::uint8_t* bytes, T* y, ChannelAffine affine, std::int64_t planes,
                             std::int64_t plane, void* stream);

}  // namespace clip_hpc
