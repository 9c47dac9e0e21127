// SGD with momentum and decoupled weight decay. (The arithmetic of timm's sgdw: that of torch.optim.SGD without
// dampening, but for the decay.)
#include <ATen/ATen.h>

#include <optional>

#include "clip_hpc/base/vector_clones.hpp"
#include "clip_hpc/optim/optimizer.hpp"
#include "optim/update_math.hpp"
#include "optim/update_tensors.hpp"

namespace clip_hpc {
namespace {

struct SgdUpdate {
  float clip, lr, shrink, momentum;
  float of_gradient, of_velocity;  // what the step is made of: Nesterov's looks one step ahead
};

// Plain arrays, so that the compiler makes vector code of it. T: float, or c10::BFloat16.
template <class T>
CLIP_HPC_HOST_DEVICE void update_range(float* master, T* weights, const T* gradients, float* velocity, std::int64_t n,
                                       const SgdUpdate& u) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = static_cast<float>(gradients[i]) * u.clip;
    velocity[i] = u.momentum * velocity[i] + g;
    const float x = master[i] * u.shrink - u.lr * (u.of_gradient * g + u.of_velocity * velocity[i]);
    master[i] = x;
    weights[i] = static_cast<T>(x);
  }
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, float* weights, const float* gradients, float* velocity, std::int64_t n,
            const SgdUpdate& u) {
  update_range(master, weights, gradients, velocity, n, u);
}

CLIP_HPC_VECTOR_CLONES
void update(float* master, c10::BFloat16* weights, const c10::BFloat16* gradients, float* velocity, std::int64_t n,
            const SgdUpdate& u) {
  update_range(master, weights, gradients, velocity, n, u);
}

class Sgd final : public Optimizer {
 public:
  Sgd(ParameterArena& arena, const OptimOptions& options)
      : arena_(arena),
        options_(options),
        of_gradient_(options.nesterov ? 1 : 0),
        of_velocity_(options.nesterov ? options.beta1 : 1),
        ranges_(arena.update_ranges()),
        velocity_(at::zeros_like(arena.master())) {
    const at::ScalarType type = arena.weights().scalar_type();
    if (!velocity_.is_cpu() || (type != at::kFloat && type != at::kBFloat16)) by_tensors_.emplace(arena);
  }

  void step(const at::Tensor& norm, const at::Tensor& lr, Communicator&) override {
    if (by_tensors_) return step_by_tensors(norm, lr);
    const double length = norm.item<double>(), rate = lr.item<double>();
    if (!is_finite(length)) return;
    const SgdUpdate form{static_cast<float>(clip_factor(length, options_.clip_norm)),
                         static_cast<float>(rate),
                         static_cast<float>(1.0 - rate * options_.weight_decay),
                         static_cast<float>(options_.beta1),
                         static_cast<float>(of_gradient_),
                         static_cast<float>(of_velocity_)};
    if (arena_.weights().scalar_type() == at::kBFloat16) {
      update_all<c10::BFloat16>(form);
    } else {
      update_all<float>(form);
    }
  }

  std::vector<NamedBuffer> state() override { return {buffer_over(arena_, "velocity", velocity_)}; }

 private:
  template <class T>
  void update_all(const SgdUpdate& form) {
    const std::int64_t first = arena_.held().begin;  // of master and velocity
    float* const master = arena_.master().data_ptr<float>();
    T* const weights = arena_.weights().data_ptr<T>();
    const T* const gradients = arena_.gradients().const_data_ptr<T>();
    float* const velocity = velocity_.data_ptr<float>();
    for_each_piece(ranges_, [&](std::int64_t begin, std::int64_t end, const UpdateRange& range) {
      SgdUpdate here = form;
      const auto scale = static_cast<float>(range.lr_scale);
      here.lr *= scale;
      here.shrink = !range.decay ? 1.0F : scale == 1.0F ? form.shrink : 1.0F - (1.0F - form.shrink) * scale;
      const std::int64_t at = begin - first;
      update(master + at, weights + begin, gradients + begin, velocity + at, end - begin, here);
    });
  }

  void step_by_tensors(const at::Tensor& norm, const at::Tensor& lr) {
    const at::Tensor decay = (lr * options_.weight_decay).to(at::kFloat);
    by_tensors_->run(norm, options_.clip_norm, [&](const UpdatePiece& piece) {
      const at::Tensor velocity = velocity_.narrow(0, piece.begin, piece.count);
      piece.assign(velocity, options_.beta1 * velocity + piece.gradient);
      const at::Tensor rate = lr.to(at::kFloat) * piece.lr_scales;  // [count]
      const at::Tensor kept = at::where(piece.decays, piece.master * (1.0 - decay * piece.lr_scales), piece.master);
      piece.assign(piece.master, kept - rate * (of_gradient_ * piece.gradient + of_velocity_ * velocity));
    });
  }

  ParameterArena& arena_;
  OptimOptions options_;
  double of_gradient_, of_velocity_;
  std::vector<UpdateRange> ranges_;
  at::Tensor velocity_;                     // [held] fp32
  std::optional<TensorUpdate> by_tensors_;  // on a device, and for fp64
};

}  // namespace

OptimizerKind sgd() {
  return {"sgd", "with a momentum of beta1 and optim.nesterov; beta2 and eps are not used",
          [](ParameterArena& arena, const OptimOptions& options, const UpdateCounters&) -> std::unique_ptr<Optimizer> {
            return std::make_unique<Sgd>(arena, options);
          }};
}

}  // namespace clip_hpc
