#include <array>

#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/optim/optimizer.hpp"

namespace clip_hpc {

// One row a file of optim/optimizers/.
OptimizerKind adamw(), lion(), adafactor(), sgd(), lamb();

std::span<const OptimizerKind> optimizers() {
  static const std::array rows{adamw(), lion(), adafactor(), sgd(), lamb()};
  return rows;
}

std::unique_ptr<Optimizer> make_optimizer(ParameterArena& arena, const OptimOptions& options,
                                          const UpdateCounters& counters) {
  return row_named(optimizers(), options.name, "optimizer").make(arena, options, counters);
}

}  // namespace clip_hpc
