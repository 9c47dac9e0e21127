// Optimizer state that lies on several ranks, against one that is whole.
#include "clip_hpc/optim/updater.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/optim/gradient_norm.hpp"
#include "tests/mpi_test.hpp"
#include "tests/optim/mixed_arena.hpp"
#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

// Elementwise ones to the bit. Where a tensor lies on two ranks its sums are added in another order; adafactor's first
// moment then may round to the neighbouring bf16.
double allowed(const std::string& optimizer) {
  return optimizer == "adafactor" ? 2e-4 : optimizer == "lamb" ? 1e-5 : 0;
}

TEST(SharedState, StepsAsTheWhole) {
  const auto comm = make_mpi_communicator(test_world());
  const auto alone = make_self_communicator();
  for (const OptimizerKind& kind : optimizers()) {
    for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
      OptimOptions options;
      options.name = kind.name;
      options.lr = 0.01;
      options.ema = 0.5;
      ParameterArena whole = test::mixed_arena(compute);
      ParameterArena arena = test::mixed_arena(compute, {test_world().rank(), test_world().size()});
      Updater all(whole, options), own(arena, options);
      for (std::int64_t t = 1; t <= 20; ++t) {
        for (ParameterArena* one : {&whole, &arena}) {
          one->gradients().copy_(test::mixed_gradient(t, whole.numel()));
          if (t == 5) one->gradients()[3] = std::nan("");
        }
        const at::Tensor norm = gradient_norm(whole, *alone), lr = at::scalar_tensor(0.01, at::kDouble);
        all.step(norm, lr, *alone);
        own.step(norm, lr, *comm);
        arena.gather_weights(*comm);
      }
      const ArenaSlice held = arena.held();
      const at::Tensor expected = whole.master().narrow(0, held.begin, held.size());
      const double bound = test_world().size() == 1 ? 0 : allowed(kind.name);
      if (held.size() > 0) {
        EXPECT_LE((arena.master() - expected).abs().max().item<double>(), bound) << kind.name;
        EXPECT_LE((arena.master() - expected).abs().mean().item<double>(), bound / 20) << kind.name;
      }
      EXPECT_LE((arena.weights() - whole.weights()).abs().to(at::kFloat).max().item<double>(),
                bound + (compute == at::kBFloat16 && bound > 0 ? 0.0079 : 0))
          << kind.name;
      EXPECT_EQ(own.counters.applied.item<std::int64_t>(), 19);
    }
  }
}

TEST(SharedState, FactorsAreTheSameOnEveryRank) {
  const auto comm = make_mpi_communicator(test_world());
  ParameterArena arena = test::mixed_arena(at::kFloat, {test_world().rank(), test_world().size()});
  Updater updater(arena, {.name = "adafactor"});
  arena.gradients().copy_(test::mixed_gradient(1, arena.numel()));
  updater.step(at::ones({}, at::kDouble), at::ones({}, at::kDouble), *comm);
  const at::Tensor own = test::buffer(*updater.optimizer, "second_moments"), first = own.clone();
  comm->broadcast(first);
  EXPECT_TRUE(at::equal(own, first));
  EXPECT_GT(own.min().item<float>(), 0.0F);
}

}  // namespace
}  // namespace clip_hpc
