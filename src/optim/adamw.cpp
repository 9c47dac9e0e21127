#include "clip_hpc/optim/adamw.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/vector_clones.hpp"

namespace clip_hpc {
namespace {

struct Update {
  float clip, lr_over_correction1, inverse_root_correction2, shrink, beta1, beta2, eps;
};

// Plain arrays, so that the compiler makes vector code of it. G and W: float, or c10::BFloat16.
template <class G, class W>
__attribute__((always_inline)) inline void update_range(float* master, W* weights, const G* gradients, float* m,
                                                        float* v, std::int64_t n, const Update& u) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = static_cast<float>(gradients[i]) * u.clip;
    m[i] = u.beta1 * m[i] + (1.0F - u.beta1) * g;
    v[i] = u.beta2 * v[i] + (1.0F - u.beta2) * g * g;
    const float x =
        master[i] * u.shrink - u.lr_over_correction1 * m[i] / (std::sqrt(v[i]) * u.inverse_root_correction2 + u.eps);
    master[i] = x;
    weights[i] = static_cast<W>(x);
  }
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, float* weights, const float* gradients, float* m, float* v, std::int64_t n,
            const Update& u) {
  update_range(master, weights, gradients, m, v, n, u);
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, c10::BFloat16* weights, const c10::BFloat16* gradients, float* m, float* v, std::int64_t n,
            const Update& u) {
  update_range(master, weights, gradients, m, v, n, u);
}

template <class T>
void update_all(ParameterArena& arena, AdamWState& state, const Update& form, float decayed_shrink) {
  const std::int64_t first = arena.held().begin;  // of the state
  float* master = arena.master().data_ptr<float>();
  T* weights = arena.weights().data_ptr<T>();
  const T* gradients = arena.gradients().data_ptr<T>();
  float* m = state.m.data_ptr<float>();
  float* v = state.v.data_ptr<float>();
  constexpr std::int64_t kGrain = 16384;
  for (const DecayRange& range : state.ranges) {
    Update here = form;
    here.shrink = range.decay ? decayed_shrink : 1.0F;
    at::parallel_for(range.begin, range.end, kGrain, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t at = begin - first;
      update(master + at, weights + begin, gradients + begin, m + at, v + at, end - begin, here);
    });
  }
}

}  // namespace

std::vector<DecayRange> decay_ranges(const ParameterArena& arena) {
  std::vector<DecayRange> ranges;
  const ArenaSlice held = arena.held();
  for (const ParameterSpec& spec : arena.specs()) {
    const std::int64_t begin = std::max(spec.offset, held.begin), end = std::min(spec.offset + spec.numel, held.end);
    if (begin >= end) continue;
    if (!ranges.empty() && ranges.back().decay == spec.decay) {
      ranges.back().end = end;
    } else {
      ranges.push_back({begin, end, spec.decay});
    }
  }
  return ranges;
}

AdamWState make_adamw_state(const ParameterArena& arena) {
  const auto fp32 = arena.parameter(0).options().dtype(at::kFloat).requires_grad(false), count = fp32.dtype(at::kLong);
  const std::int64_t held = arena.held().size();
  return {at::zeros({held}, fp32), at::zeros({held}, fp32), at::zeros({}, count),
          at::zeros({}, count),    at::zeros({}, count),    decay_ranges(arena)};
}

at::Tensor gradient_norm(ParameterArena& arena, Communicator& comm) {
  // Chunks of fixed length, summed in a fixed order: the norm does not depend on the number of threads.
  constexpr std::int64_t kChunk = 65536;
  const ArenaSlice held = arena.held();
  const at::Tensor& g = arena.gradients();
  if (!g.is_cpu()) {
    const at::Tensor norm = at::linalg_vector_norm(g.narrow(0, held.begin, held.size()), 2, {}, false, at::kFloat);
    if (arena.share().parts == 1) return norm.to(at::kDouble);
    const at::Tensor squares = norm.to(at::kDouble).square();
    comm.all_reduce(squares, ReduceOp::sum);
    return squares.sqrt();
  }
  std::vector<at::Tensor> parts{at::zeros({}, at::kFloat)};  // a rank may hold nothing
  for (std::int64_t begin = held.begin; begin < held.end; begin += kChunk) {
    const at::Tensor part = g.narrow(0, begin, std::min(kChunk, held.end - begin)).to(at::kFloat);
    parts.push_back(at::dot(part, part));
  }
  at::Tensor squares = at::stack(parts).to(at::kDouble).sum();
  if (arena.share().parts > 1) comm.all_reduce(squares, ReduceOp::sum);
  return squares.sqrt();
}

void adamw_step(ParameterArena& arena, AdamWState& state, const at::Tensor& norm, const OptimOptions& options,
                const at::Tensor& lr_now, std::size_t logit_scale) {
  const at::NoGradGuard no_grad;
  const double lr = lr_now.item<double>();
  const double length = norm.item<double>();
  if (!std::isfinite(length)) {
    state.skipped.add_(1);
    state.skipped_in_a_row.add_(1);
    return;
  }
  state.applied.add_(1);
  state.skipped_in_a_row.zero_();
  const auto t = static_cast<double>(state.applied.item<std::int64_t>());
  const double clip = options.clip_norm > 0 && length > options.clip_norm ? options.clip_norm / (length + 1e-6) : 1.0;
  const Update form{static_cast<float>(clip),
                    static_cast<float>(lr / (1.0 - std::pow(options.beta1, t))),
                    static_cast<float>(1.0 / std::sqrt(1.0 - std::pow(options.beta2, t))),
                    1.0F,
                    static_cast<float>(options.beta1),
                    static_cast<float>(options.beta2),
                    static_cast<float>(options.eps)};
  const auto shrink = static_cast<float>(1.0 - lr * options.weight_decay);
  if (arena.weights().scalar_type() == at::kBFloat16) {
    update_all<c10::BFloat16>(arena, state, form, shrink);
  } else {
    update_all<float>(arena, state, form, shrink);
  }
  const std::int64_t at_scale = arena.specs()[logit_scale].offset;
  if (at_scale < arena.held().begin || at_scale >= arena.held().end) return;  // another rank's
  at::Tensor scale = arena.master().narrow(0, at_scale - arena.held().begin, 1);
  scale.clamp_(0.0, std::log(100.0));
  arena.weights().narrow(0, at_scale, 1).copy_(scale);
}

}  // namespace clip_hpc
