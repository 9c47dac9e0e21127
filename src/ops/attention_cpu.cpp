#include "ops/attention_cpu.hpp"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "clip_hpc/base/vector_clones.hpp"
#include "ops/fused_ops_math.hpp"
#include "ops/sgemm.hpp"

namespace clip_hpc {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr std::int64_t kLongest = 512;  // tokens

struct Shape {
  std::int64_t batch, tokens, heads, head_width;
  std::int64_t width() const { return heads * head_width; }
  float scale() const { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_width))); }
};

Shape shape_of(const at::Tensor& qkv, std::int64_t heads) {
  return {qkv.size(0), qkv.size(1), heads, qkv.size(2) / 3 / heads};
}

// --- rows of plain numbers -------------------------------------------------------------------------------------------

// Scores of a sequence become probabilities; `causal`: row i has i + 1 of them, and zeros behind.
CLIP_HPC_VECTOR_CLONES
void softmax_rows(float* scores, std::int64_t tokens, bool causal) {
  for (std::int64_t i = 0; i < tokens; ++i) {
    float* const row = scores + i * tokens;
    const std::int64_t n = causal ? i + 1 : tokens;
    float most = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : most)
    for (std::int64_t j = 0; j < n; ++j) most = row[j] > most ? row[j] : most;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t j = 0; j < n; ++j) {
      row[j] = exp_negative(row[j] - most);
      sum += row[j];
    }
    const float share = 1.0F / sum;
    for (std::int64_t j = 0; j < n; ++j) row[j] *= share;
    for (std::int64_t j = n; j < tokens; ++j) row[j] = 0;
  }
}

// by_scores = p * (by_p - sum(p * by_p)), in place of by_p.
CLIP_HPC_VECTOR_CLONES
void softmax_backward_rows(const float* p, float* by_p, std::int64_t tokens) {
  for (std::int64_t i = 0; i < tokens; ++i) {
    const float* const probability = p + i * tokens;
    float* const row = by_p + i * tokens;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (std::int64_t j = 0; j < tokens; ++j) sum += probability[j] * row[j];
    for (std::int64_t j = 0; j < tokens; ++j) row[j] = probability[j] * (row[j] - sum);
  }
}

CLIP_HPC_VECTOR_CLONES
void widen(const c10::BFloat16* in, std::int64_t stride, std::int64_t rows, std::int64_t columns, float* out) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) out[i * columns + j] = static_cast<float>(in[i * stride + j]);
  }
}

CLIP_HPC_VECTOR_CLONES
void narrow(const float* in, std::int64_t rows, std::int64_t columns, c10::BFloat16* out, std::int64_t stride) {
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      out[i * stride + j] = exactly<c10::BFloat16>(rounded_to<c10::BFloat16>(in[i * columns + j]));
    }
  }
}

// --- one head of one sample: a matrix inside a larger one
// --------------------------------------------------------------

// What sgemm reads: fp32 where it lies, bf16 widened into `buffer`.
Factor readable(const float* data, std::int64_t stride, std::int64_t, std::int64_t, std::vector<float>&) {
  return {data, stride};
}
Factor readable(const c10::BFloat16* data, std::int64_t stride, std::int64_t rows, std::int64_t columns,
                std::vector<float>& buffer) {
  buffer.resize(static_cast<std::size_t>(rows * columns));
  widen(data, stride, rows, columns, buffer.data());
  return {buffer.data(), columns};
}

Factor transpose_of(Factor factor) { return {factor.data, factor.stride, true}; }

// out [m, n] = alpha A B, in the type of `out`.
void product(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, Factor a, Factor b, float* out,
             std::int64_t stride, std::vector<float>&) {
  sgemm(m, n, k, alpha, a, b, 0, out, stride);
}
void product(std::int64_t m, std::int64_t n, std::int64_t k, float alpha, Factor a, Factor b, c10::BFloat16* out,
             std::int64_t stride, std::vector<float>& buffer) {
  buffer.resize(static_cast<std::size_t>(m * n));
  sgemm(m, n, k, alpha, a, b, 0, buffer.data(), n);
  narrow(buffer.data(), m, n, out, stride);
}

struct Buffers {  // of a thread
  std::vector<float> q, k, v, by_out, scores, p, result;
};

template <class T>
struct HeadOf {  // pointers to the first row of a head's matrices
  const T *q, *k, *v;
  std::int64_t stride;
};

template <class T>
HeadOf<T> head_of(const T* qkv, const Shape& s, std::int64_t index) {
  const std::int64_t stride = 3 * s.width();
  const T* const q = qkv + index / s.heads * s.tokens * stride + index % s.heads * s.head_width;
  return {q, q + s.width(), q + 2 * s.width(), stride};
}

template <class T>
void forward_head(const T* qkv, const Shape& s, bool causal, std::int64_t index, T* p, T* out, Buffers& buffers) {
  const std::int64_t t = s.tokens, d = s.head_width;
  const HeadOf<T> head = head_of(qkv, s, index);
  float* scores = nullptr;  // [tokens, tokens]: in place where the probabilities are kept in fp32
  if constexpr (std::is_same_v<T, float>) {
    scores = p + index * t * t;
  } else {
    buffers.scores.resize(static_cast<std::size_t>(t * t));
    scores = buffers.scores.data();
  }
  sgemm(t, t, d, s.scale(), readable(head.q, head.stride, t, d, buffers.q),
        transpose_of(readable(head.k, head.stride, t, d, buffers.k)), 0, scores, t);
  softmax_rows(scores, t, causal);
  if constexpr (!std::is_same_v<T, float>) narrow(scores, t, t, p + index * t * t, t);
  product(t, d, t, 1, {scores, t}, readable(head.v, head.stride, t, d, buffers.v),
          out + index / s.heads * t * s.width() + index % s.heads * d, s.width(), buffers.result);
}

template <class T>
void backward_head(const T* qkv, const T* p, const T* by_out, const Shape& s, std::int64_t index, T* by_qkv,
                   Buffers& buffers) {
  const std::int64_t t = s.tokens, d = s.head_width;
  const HeadOf<T> head = head_of(qkv, s, index);
  T* const by_q = by_qkv + (head.q - qkv);
  const Factor q = readable(head.q, head.stride, t, d, buffers.q), k = readable(head.k, head.stride, t, d, buffers.k),
               v = readable(head.v, head.stride, t, d, buffers.v),
               grad = readable(by_out + index / s.heads * t * s.width() + index % s.heads * d, s.width(), t, d,
                               buffers.by_out),
               probability = readable(p + index * t * t, t, t, t, buffers.p);
  product(t, d, t, 1, transpose_of(probability), grad, by_q + 2 * s.width(), head.stride, buffers.result);
  buffers.scores.resize(static_cast<std::size_t>(t * t));
  float* const by_scores = buffers.scores.data();
  sgemm(t, t, d, 1, grad, transpose_of(v), 0, by_scores, t);
  softmax_backward_rows(probability.data, by_scores, t);
  const Factor slope{by_scores, t};
  product(t, d, t, s.scale(), slope, k, by_q, head.stride, buffers.result);
  product(t, d, t, s.scale(), transpose_of(slope), q, by_q + s.width(), head.stride, buffers.result);
}

// Calls work(index, buffers) for every head of every sample.
template <class Work>
void each_head(const Shape& s, const Work& work) {
  at::parallel_for(0, s.batch * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
    Buffers buffers;
    for (std::int64_t index = begin; index < end; ++index) work(index, buffers);
  });
}

template <class Work>
void for_type(at::ScalarType type, const Work& work) {
  if (type == at::kFloat) {
    work(float{});
  } else {
    work(c10::BFloat16{});
  }
}

struct Attention : torch::autograd::Function<Attention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv, std::int64_t heads, bool causal) {
    const Shape s = shape_of(qkv, heads);
    const at::Tensor p = at::empty({s.batch, heads, s.tokens, s.tokens}, qkv.options());
    at::Tensor out = at::empty({s.batch, s.tokens, s.width()}, qkv.options());
    for_type(qkv.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      const T* const in = qkv.const_data_ptr<T>();
      each_head(s, [&](std::int64_t index, Buffers& buffers) {
        forward_head(in, s, causal, index, p.data_ptr<T>(), out.data_ptr<T>(), buffers);
      });
    });
    context->save_for_backward({qkv, p});
    context->saved_data["heads"] = heads;
    return out;
  }
  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& qkv = saved[0];
    const Shape s = shape_of(qkv, context->saved_data["heads"].toInt());
    const at::Tensor by_out = grads[0].contiguous();
    at::Tensor by_qkv = at::empty(qkv.sizes(), qkv.options());
    for_type(qkv.scalar_type(), [&](auto zero) {
      using T = decltype(zero);
      each_head(s, [&](std::int64_t index, Buffers& buffers) {
        backward_head(qkv.const_data_ptr<T>(), saved[1].const_data_ptr<T>(), by_out.const_data_ptr<T>(), s, index,
                      by_qkv.data_ptr<T>(), buffers);
      });
    });
    return {by_qkv, at::Tensor(), at::Tensor()};
  }
};

}  // namespace

bool can_attend_on_cpu(const at::Tensor& qkv) {
  const at::ScalarType type = qkv.scalar_type();
  return has_sgemm() && qkv.is_cpu() && (type == at::kFloat || type == at::kBFloat16) && qkv.size(1) <= kLongest;
}

at::Tensor attention_cpu(const at::Tensor& qkv, std::int64_t heads, bool causal) {
  return Attention::apply(qkv.contiguous(), heads, causal);
}

}  // namespace clip_hpc
