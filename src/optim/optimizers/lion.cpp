// Lion: the sign of a moment as the step, one state. (Chen et al. 2023, arXiv 2302.06675; the arithmetic of
// optax.lion.)
#include <ATen/ATen.h>

#include <optional>

#include "clip_hpc/base/vector_clones.hpp"
#include "clip_hpc/optim/optimizer.hpp"
#include "optim/update_math.hpp"
#include "optim/update_tensors.hpp"

namespace clip_hpc {
namespace {

struct LionUpdate {
  float clip, lr, shrink, beta1, beta2;
};

// Plain arrays, so that the compiler makes vector code of it. T: float, or c10::BFloat16.
template <class T>
CLIP_HPC_HOST_DEVICE void update_range(float* master, T* weights, const T* gradients, float* m, std::int64_t n,
                                       const LionUpdate& u) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = static_cast<float>(gradients[i]) * u.clip;
    const float c = u.beta1 * m[i] + (1.0F - u.beta1) * g;
    const float sign = static_cast<float>(c > 0.0F) - static_cast<float>(c < 0.0F);
    const float x = master[i] * u.shrink - u.lr * sign;
    m[i] = u.beta2 * m[i] + (1.0F - u.beta2) * g;
    master[i] = x;
    weights[i] = static_cast<T>(x);
  }
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, float* weights, const float* gradients, float* m, std::int64_t n, const LionUpdate& u) {
  update_range(master, weights, gradients, m, n, u);
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, c10::BFloat16* weights, const c10::BFloat16* gradients, float* m, std::int64_t n,
            const LionUpdate& u) {
  update_range(master, weights, gradients, m, n, u);
}

class Lion final : public Optimizer {
 public:
  Lion(ParameterArena& arena, const OptimOptions& options)
      : arena_(arena), options_(options), ranges_(arena.update_ranges()), m_(at::zeros_like(arena.master())) {
    const at::ScalarType type = arena.weights().scalar_type();
    if (!m_.is_cpu() || (type != at::kFloat && type != at::kBFloat16)) by_tensors_.emplace(arena);
  }

  void step(const at::Tensor& norm, const at::Tensor& lr, Communicator&) override {
    if (by_tensors_) return step_by_tensors(norm, lr);
    const double length = norm.item<double>(), rate = lr.item<double>();
    if (!is_finite(length)) return;
    const LionUpdate form{static_cast<float>(clip_factor(length, options_.clip_norm)), static_cast<float>(rate),
                          static_cast<float>(1.0 - rate * options_.weight_decay), static_cast<float>(options_.beta1),
                          static_cast<float>(options_.beta2)};
    if (arena_.weights().scalar_type() == at::kBFloat16) {
      update_all<c10::BFloat16>(form);
    } else {
      update_all<float>(form);
    }
  }

  std::vector<NamedBuffer> state() override { return {buffer_over(arena_, "m", m_)}; }

 private:
  template <class T>
  void update_all(const LionUpdate& form) {
    const std::int64_t first = arena_.held().begin;  // of master and moment
    float* const master = arena_.master().data_ptr<float>();
    T* const weights = arena_.weights().data_ptr<T>();
    const T* const gradients = arena_.gradients().const_data_ptr<T>();
    float* const m = m_.data_ptr<float>();
    for_each_piece(ranges_, [&](std::int64_t begin, std::int64_t end, const UpdateRange& range) {
      LionUpdate here = form;
      const auto scale = static_cast<float>(range.lr_scale);
      here.lr *= scale;
      here.shrink = !range.decay ? 1.0F : scale == 1.0F ? form.shrink : 1.0F - (1.0F - form.shrink) * scale;
      update(master + (begin - first), weights + begin, gradients + begin, m + (begin - first), end - begin, here);
    });
  }

  void step_by_tensors(const at::Tensor& norm, const at::Tensor& lr) {
    const at::Tensor decay = (lr * options_.weight_decay).to(at::kFloat);
    by_tensors_->run(norm, options_.clip_norm, [&](const UpdatePiece& piece) {
      const at::Tensor m = m_.narrow(0, piece.begin, piece.count);
      const at::Tensor sign = (options_.beta1 * m + (1.0 - options_.beta1) * piece.gradient).sign_();
      const at::Tensor rate = lr.to(at::kFloat) * piece.lr_scales;  // [count]
      const at::Tensor kept = at::where(piece.decays, piece.master * (1.0 - decay * piece.lr_scales), piece.master);
      piece.assign(piece.master, kept - rate * sign);
      piece.assign(m, options_.beta2 * m + (1.0 - options_.beta2) * piece.gradient);
    });
  }

  ParameterArena& arena_;
  OptimOptions options_;
  std::vector<UpdateRange> ranges_;
  at::Tensor m_;                            // [held] fp32
  std::optional<TensorUpdate> by_tensors_;  // on a device, and for fp64
};

}  // namespace

OptimizerKind lion() {
  return {"lion",
          "the sign of a moment as the step, half of adamw's state; with beta2 0.99, a learning rate 3 to 10 times "
          "smaller and a decay as much larger",
          [](ParameterArena& arena, const OptimOptions& options, const UpdateCounters&) -> std::unique_ptr<Optimizer> {
            return std::make_unique<Lion>(arena, options);
          }};
}

}  // namespace clip_hpc
