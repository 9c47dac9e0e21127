// AdamW in one pass over the arena: clip, moments, decay, update and the low-precision weights together.
// (Loshchilov and Hutter 2019; the arithmetic of torch.optim.AdamW.)
#include <ATen/ATen.h>

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/vector_clones.hpp"
#include "clip_hpc/device/device_kernels.hpp"
#include "clip_hpc/optim/optimizer.hpp"
#include "optim/adamw_kernels.hpp"
#include "optim/update_ranges.hpp"

namespace clip_hpc {
namespace {

// Plain arrays, so that the compiler makes vector code of it. G and W: float, or c10::BFloat16.
template <class G, class W>
CLIP_HPC_HOST_DEVICE void update_range(float* master, W* weights, const G* gradients, float* m, float* v,
                                       std::int64_t n, const AdamWUpdate& u) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = adamw_element(master[i], static_cast<float>(gradients[i]), m[i], v[i], u.shrink, u);
    master[i] = x;
    weights[i] = static_cast<W>(x);
  }
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, float* weights, const float* gradients, float* m, float* v, std::int64_t n,
            const AdamWUpdate& u) {
  update_range(master, weights, gradients, m, v, n, u);
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, c10::BFloat16* weights, const c10::BFloat16* gradients, float* m, float* v, std::int64_t n,
            const AdamWUpdate& u) {
  update_range(master, weights, gradients, m, v, n, u);
}

class AdamW final : public Optimizer {
 public:
  AdamW(ParameterArena& arena, const OptimOptions& options, const UpdateCounters& counters)
      : arena_(arena),
        rates_{options.beta1, options.beta2, options.eps, options.weight_decay, options.clip_norm},
        counters_(counters),
        ranges_(arena.update_ranges()),
        m_(at::zeros_like(arena.master())),
        v_(at::zeros_like(arena.master())) {
    if (!arena.master().is_cpu()) range_table_ = range_table(arena, ranges_);
  }

  void step(const at::Tensor& norm, const at::Tensor& lr, Communicator&) override {
    if (!arena_.master().is_cpu()) return step_on_device(norm, lr);
    const double length = norm.item<double>();
    if (!is_finite(length)) return;
    const AdamWUpdate form = adamw_update(length, lr.item<double>(), counters_.applied.item<std::int64_t>(), rates_);
    if (arena_.weights().scalar_type() == at::kBFloat16) {
      update_all<c10::BFloat16>(form);
    } else {
      update_all<float>(form);
    }
  }

  std::vector<NamedBuffer> state() override { return {buffer_over(arena_, "m", m_), buffer_over(arena_, "v", v_)}; }

 private:
  template <class T>
  void update_all(const AdamWUpdate& form) {
    const std::int64_t first = arena_.held().begin;  // of master and moments
    float* const master = arena_.master().data_ptr<float>();
    T* const weights = arena_.weights().data_ptr<T>();
    const T* const gradients = arena_.gradients().const_data_ptr<T>();
    float* const m = m_.data_ptr<float>();
    float* const v = v_.data_ptr<float>();
    for_each_piece(ranges_, [&](std::int64_t begin, std::int64_t end, const UpdateRange& range) {
      AdamWUpdate here = scaled(form, static_cast<float>(range.lr_scale));
      if (!range.decay) here.shrink = 1.0F;
      const std::int64_t at = begin - first;
      update(master + at, weights + begin, gradients + begin, m + at, v + at, end - begin, here);
    });
  }

  void step_on_device(const at::Tensor& norm, const at::Tensor& lr) {
    const AdamWKernels* const kernels = device_kernels<AdamWKernels>();
    if (!arena_.master().is_cuda() || kernels == nullptr)
      throw device_error("AdamW on {} needs libclip_hpc_cuda.so, which is not open", arena_.master().device().str());
    const ArenaSlice held = arena_.held();
    kernels->step({arena_.master(), arena_.weights().narrow(0, held.begin, held.size()),
                   arena_.gradients().narrow(0, held.begin, held.size()), m_, v_, held.begin, range_table_, norm, lr,
                   counters_.applied},
                  rates_);
  }

  ParameterArena& arena_;
  AdamWRates rates_;
  UpdateCounters counters_;
  std::vector<UpdateRange> ranges_;
  at::Tensor range_table_;  // on a device only
  at::Tensor m_, v_;        // [held] fp32
};

}  // namespace

OptimizerKind adamw() {
  return {"adamw", "",
          [](ParameterArena& arena, const OptimOptions& options, const UpdateCounters& counters)
              -> std::unique_ptr<Optimizer> { return std::make_unique<AdamW>(arena, options, counters); }};
}

}  // namespace clip_hpc
