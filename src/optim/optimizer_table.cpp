#include <algorithm>
#include <array>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/optim/optimizer.hpp"

namespace clip_hpc {

// One row a file of optim/optimizers/.
OptimizerKind adamw(), lion();

std::span<const OptimizerKind> optimizers() {
  static const std::array rows{adamw(), lion()};
  return rows;
}

std::unique_ptr<Optimizer> make_optimizer(ParameterArena& arena, const OptimOptions& options,
                                          const UpdateCounters& counters) {
  const auto kind = std::ranges::find(optimizers(), options.name, &OptimizerKind::name);
  if (kind == optimizers().end()) throw internal_error("no optimizer is called {}", options.name);
  return kind->make(arena, options, counters);
}

}  // namespace clip_hpc
