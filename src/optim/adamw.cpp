#include "clip_hpc/optim/adamw.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/vector_clones.hpp"
#include "clip_hpc/device/device_kernels.hpp"
#include "optim/adamw_math.hpp"

namespace clip_hpc {
namespace {

// Plain arrays, so that the compiler makes vector code of it. G and W: float, or c10::BFloat16.
template <bool kAverages, class G, class W>
CLIP_HPC_HOST_DEVICE void update_range(float* master, W* weights, const G* gradients, float* m, float* v, float* ema,
                                       std::int64_t n, const AdamWUpdate& u) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = adamw_element(master[i], static_cast<float>(gradients[i]), m[i], v[i], u.shrink, u);
    master[i] = x;
    weights[i] = static_cast<W>(x);
    if constexpr (kAverages) ema[i] = ema_element(ema[i], x, u);
  }
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, float* weights, const float* gradients, float* m, float* v, float* ema, std::int64_t n,
            const AdamWUpdate& u) {
  if (ema == nullptr) return update_range<false>(master, weights, gradients, m, v, ema, n, u);
  update_range<true>(master, weights, gradients, m, v, ema, n, u);
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, c10::BFloat16* weights, const c10::BFloat16* gradients, float* m, float* v, float* ema,
            std::int64_t n, const AdamWUpdate& u) {
  if (ema == nullptr) return update_range<false>(master, weights, gradients, m, v, ema, n, u);
  update_range<true>(master, weights, gradients, m, v, ema, n, u);
}

template <class T>
void update_all(ParameterArena& arena, AdamWState& state, const AdamWUpdate& form) {
  const std::int64_t first = arena.held().begin;  // of the state
  float* master = arena.master().data_ptr<float>();
  T* weights = arena.weights().data_ptr<T>();
  const T* gradients = arena.gradients().data_ptr<T>();
  float* m = state.m.data_ptr<float>();
  float* v = state.v.data_ptr<float>();
  float* ema = state.ema.defined() ? state.ema.data_ptr<float>() : nullptr;
  constexpr std::int64_t kGrain = 16384;
  for (const DecayRange& range : state.ranges) {
    AdamWUpdate here = form;
    if (!range.decay) here.shrink = 1.0F;
    at::parallel_for(range.begin, range.end, kGrain, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t at = begin - first;
      update(master + at, weights + begin, gradients + begin, m + at, v + at, ema == nullptr ? nullptr : ema + at,
             end - begin, here);
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

AdamWState make_adamw_state(ParameterArena& arena, bool averages) {
  const auto fp32 = arena.master().options();
  const auto count = fp32.dtype(at::kLong);
  const std::vector<DecayRange> ranges = decay_ranges(arena);
  const at::Tensor table = at::empty({static_cast<std::int64_t>(ranges.size()), 2}, at::kLong);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    table.data_ptr<std::int64_t>()[2 * i] = ranges[i].end;
    table.data_ptr<std::int64_t>()[2 * i + 1] = ranges[i].decay ? 1 : 0;
  }
  const std::int64_t held = arena.held().size();
  return {at::zeros({held}, fp32),
          at::zeros({held}, fp32),
          averages ? arena.master().clone() : at::Tensor(),
          at::zeros({}, count),
          at::zeros({}, count),
          at::zeros({}, count),
          ranges,
          table.to(fp32.device())};
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

namespace {

AdamWRates rates_of(const OptimOptions& options) {
  return {options.beta1, options.beta2, options.eps, options.weight_decay, options.clip_norm, options.ema};
}

void step_on_device(ParameterArena& arena, AdamWState& state, const at::Tensor& norm, const OptimOptions& options,
                    const at::Tensor& lr, std::size_t logit_scale) {
  const ArenaSlice held = arena.held();
  device_kernels()->adamw_step(
      {arena.master(), arena.weights().narrow(0, held.begin, held.size()),
       arena.gradients().narrow(0, held.begin, held.size()), state.m, state.v, state.ema, held.begin, state.range_table,
       norm, lr, state.applied, state.skipped, state.skipped_in_a_row},
      rates_of(options), arena.specs()[logit_scale].offset);
}

bool has_device_step(ParameterArena& arena) { return arena.master().is_cuda() && device_kernels() != nullptr; }

}  // namespace

void adamw_step(ParameterArena& arena, AdamWState& state, const at::Tensor& norm, const OptimOptions& options,
                const at::Tensor& lr, std::size_t logit_scale) {
  if (has_device_step(arena)) {
    step_on_device(arena, state, norm, options, lr, logit_scale);
  } else {
    adamw_step(arena, state, norm, options, lr.item<double>(), logit_scale);
  }
}

void adamw_step(ParameterArena& arena, AdamWState& state, const at::Tensor& norm, const OptimOptions& options,
                double lr, std::size_t logit_scale) {
  const at::NoGradGuard no_grad;
  if (has_device_step(arena)) {
    const at::Tensor on_device = at::full({}, lr, norm.options());
    return step_on_device(arena, state, norm, options, on_device, logit_scale);
  }
  if (!arena.master().is_cpu())
    throw device_error("AdamW on {} needs libclip_hpc_cuda.so, which is not open", arena.master().device().str());
  const double length = norm.item<double>();
  if (!is_finite(length)) {
    state.skipped.add_(1);
    state.skipped_in_a_row.add_(1);
    return;
  }
  state.applied.add_(1);
  state.skipped_in_a_row.zero_();
  const AdamWUpdate form = adamw_update(length, lr, state.applied.item<std::int64_t>(), rates_of(options));
  const std::int64_t scale_in_arena = arena.specs()[logit_scale].offset;
  const ArenaSlice held = arena.held();
  const bool has_scale = scale_in_arena >= held.begin && scale_in_arena < held.end;
  const bool averages_scale = has_scale && state.ema.defined();
  const std::int64_t at_scale = scale_in_arena - held.begin;
  const float scale_before = averages_scale ? state.ema.data_ptr<float>()[at_scale] : 0.0F;
  if (arena.weights().scalar_type() == at::kBFloat16) {
    update_all<c10::BFloat16>(arena, state, form);
  } else {
    update_all<float>(arena, state, form);
  }
  if (!has_scale) return;  // another rank's
  at::Tensor scale = arena.master().narrow(0, at_scale, 1);
  scale.clamp_(0.0, kLargestLogitScale);
  arena.weights().narrow(0, scale_in_arena, 1).copy_(scale);
  if (averages_scale) state.ema.data_ptr<float>()[at_scale] = ema_element(scale_before, scale.item<float>(), form);
}

}  // namespace clip_hpc
