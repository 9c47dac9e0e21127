#include "clip_hpc/optim/schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace clip_hpc {

void describe(OptionTable& table, OptimOptions& options) {
  table.add("optim.name", options.name, "optimizer", one_of({"adamw"}));
  table.add("optim.lr", options.lr, "highest learning rate", in_range(0.0, 10.0));
  table.add("optim.weight_decay", options.weight_decay,
            "decoupled decay of matrices, multiplied by the learning rate; biases, norms, positions and the logit "
            "scale are not decayed",
            in_range(0.0, 10.0));
  table.add("optim.beta1", options.beta1, "decay of the first moment", in_range(0.0, 0.9999));
  table.add("optim.beta2", options.beta2, "decay of the second moment", in_range(0.0, 0.999999));
  table.add("optim.eps", options.eps, "added to the root of the second moment", in_range(0.0, 1.0));
  table.add("optim.warmup", options.warmup, "linear warm-up: below 1 a share of all steps, from 1 on steps",
            in_range(0.0, 1e9));
  table.add("optim.schedule", options.schedule, "after the warm-up", one_of({"cosine", "linear", "constant"}));
  table.add("optim.clip_norm", options.clip_norm, "largest global norm of the gradient; 0: no clipping",
            in_range(0.0, 1e9));
  table.add(
      "optim.ema", options.ema,
      "decay of an exponential moving average of the weights, 0.9999, which evaluations then use; in update t the "
      "decay is at most (1 + t) / (10 + t); 0: none is kept",
      in_range(0.0, 0.9999999));
}

std::int64_t warmup_steps(double warmup, std::int64_t total_steps) {
  const double steps = warmup < 1.0 ? warmup * static_cast<double>(total_steps) : warmup;
  return std::min(total_steps, static_cast<std::int64_t>(std::llround(steps)));
}

double learning_rate(const OptimOptions& options, std::int64_t step, std::int64_t total_steps) {
  const std::int64_t warm = warmup_steps(options.warmup, total_steps);
  if (step < warm) return options.lr * static_cast<double>(step + 1) / static_cast<double>(warm);
  if (options.schedule == "constant") return options.lr;
  const double left = static_cast<double>(std::max<std::int64_t>(1, total_steps - warm));
  const double progress = std::min(1.0, static_cast<double>(step - warm) / left);
  if (options.schedule == "linear") return options.lr * (1.0 - progress);
  return 0.5 * options.lr * (1.0 + std::cos(std::numbers::pi * progress));
}

}  // namespace clip_hpc
