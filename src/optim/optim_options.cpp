#include "clip_hpc/optim/optim_options.hpp"

#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/optim/optimizer.hpp"
#include "clip_hpc/optim/schedule.hpp"

namespace clip_hpc {

void describe(OptionTable& table, OptimOptions& options) {
  table.add("optim.name", options.name, "optimizer: " + help_of(optimizers()), one_of(names_of(optimizers())));
  table.add("optim.lr", options.lr, "highest learning rate", in_range(0.0, 10.0));
  table.add("optim.weight_decay", options.weight_decay,
            "decoupled decay of matrices, multiplied by the learning rate; biases, norms, the class embedding and the "
            "logit scale are not decayed",
            in_range(0.0, 10.0));
  table.add(
      "optim.decay_positions", options.decay_positions,
      "decay the position embeddings of both towers, too, as open_clip's training script does: it decays whatever "
      "has two axes or more");
  table.add(
      "optim.layer_decay", options.layer_decay,
      "each block's learning rate is that of the block above it times this, in each tower from its projection down "
      "to its stem; 1: all learn alike",
      in_range(0.01, 1.0));
  table.add("optim.beta1", options.beta1, "decay of the first moment", in_range(0.0, 0.9999));
  table.add("optim.beta2", options.beta2, "decay of the second moment", in_range(0.0, 0.999999));
  table.add("optim.eps", options.eps, "added to the root of the second moment", in_range(0.0, 1.0));
  table.add("optim.nesterov", options.nesterov, "sgd: Nesterov's momentum");
  table.add("optim.warmup", options.warmup, "linear warm-up: below 1 a share of all steps, from 1 on steps",
            in_range(0.0, 1e9));
  table.add("optim.warmup_samples", options.warmup_samples,
            "linear warm-up over so many samples, instead of optim.warmup; 0: optim.warmup decides",
            in_range(std::int64_t{0}, std::int64_t{1000000000000000}));
  table.add("optim.schedule", options.schedule, "after the warm-up: " + help_of(schedules()),
            one_of(names_of(schedules())));
  table.add("optim.rsqrt_timescale", options.rsqrt_timescale,
            "of optim.schedule = rsqrt: steps after which the square of the learning rate has halved",
            in_range(1.0, 1e9));
  table.add("optim.cooldown", options.cooldown,
            "the last steps, in which the learning rate of a schedule that does not end at 0 falls to 0: below 1 a "
            "share of all steps, from 1 on steps; 0: none. It may branch from a checkpoint of a constant run",
            in_range(0.0, 1e9));
  table.add("optim.cooldown_shape", options.cooldown_shape,
            "how it falls in the cool-down: " + help_of(cooldown_shapes()), one_of(names_of(cooldown_shapes())));
  table.add("optim.clip_norm", options.clip_norm, "largest global norm of the gradient; 0: no clipping",
            in_range(0.0, 1e9));
  table.add(
      "optim.ema", options.ema,
      "decay of an exponential moving average of the weights, 0.9999, which evaluations then use; in update t the "
      "decay is at most (1 + t) / (10 + t); 0: none is kept",
      in_range(0.0, 0.9999999));
}

}  // namespace clip_hpc
