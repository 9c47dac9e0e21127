#include "clip_hpc/train/grad_reducer.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

ParameterArena make_arena(at::ScalarType type) {
  ParameterArena arena;
  arena.declare("a", {300, 7}, {});
  arena.declare("b", {11}, {.decay = false});
  arena.declare("c", {64, 64}, {});
  arena.declare("scale", {}, {.decay = false});
  arena.allocate(type);
  arena.master().copy_(at::arange(arena.numel(), at::kFloat).mul(0.01).cos());
  arena.refresh_weights();
  return arena;
}

// Every parameter takes part, and each rank's gradients are its own.
at::Tensor loss_of(const ParameterArena& arena, int rank) {
  at::Tensor loss = at::zeros({}, at::kFloat);
  for (std::size_t i = 0; i < arena.specs().size(); ++i) {
    loss = loss + (arena.parameter(i).to(at::kFloat) * (rank + 1.5)).sin().sum();
  }
  return loss;
}

// What is frozen gets no gradient, holds nothing up and does not travel.
TEST(GradReducer, FrozenParametersStayAtHome) {
  World& world = test_world();
  const auto comm = make_communicator(world, {});
  const auto arena_of = [](bool frozen) {
    ParameterArena arena;
    arena.declare("a", {300}, {.frozen = frozen});
    arena.declare("b", {200}, {});
    arena.declare("c", {400}, {.frozen = frozen});
    arena.allocate(at::kFloat);
    for (std::size_t i = 0; i < 3; ++i) arena.set_parameter(i, at::full(arena.specs()[i].shape, 0.5F));
    return arena;
  };
  ParameterArena plain = arena_of(false), arena = arena_of(true);
  GradReducer reducer(*comm, arena, 0.0001);
  const std::int64_t all = GradReducer(*comm, plain, 0.0001).bytes();
  EXPECT_LT(reducer.bytes(), all);
  for (int step = 0; step < 2; ++step) {
    arena.zero_gradients();
    reducer.start();
    (arena.parameter(0).sum() * arena.parameter(1).sum() * arena.parameter(2).sum()).backward();
    reducer.finish();
    EXPECT_TRUE(arena.gradient_view(1).eq(150.0 * 200.0 * world.size()).all().item<bool>());
  }
  reducer.exchange();
}

TEST(GradReducer, SumsAreThoseOfOnePlainAllReduceForAnyBucketSize) {
  World& world = test_world();
  const auto comm = make_communicator(world, {});
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    ParameterArena plain = make_arena(type);
    loss_of(plain, world.rank()).backward();
    const at::Tensor expected = plain.gradients().clone();
    comm->all_reduce(expected, ReduceOp::sum);
    EXPECT_GT(expected.to(at::kFloat).abs().max().item<float>(), 0.1F);
    for (const double mib : {0.001, 0.01, 100.0}) {
      ParameterArena arena = make_arena(type);
      GradReducer reducer(*comm, arena, mib);
      if (mib == 100.0) {
        EXPECT_EQ(reducer.buckets(), 1U);
      }
      if (mib == 0.001) {
        EXPECT_EQ(reducer.buckets(), 2U);  // scale and c, then b and a: small ones join what follows
      }
      for (int step = 0; step < 2; ++step) {  // the second step as the first
        arena.zero_gradients();
        reducer.start();
        loss_of(arena, world.rank()).backward();
        reducer.finish();
        EXPECT_TRUE(at::allclose(arena.gradients(), expected, type == at::kFloat ? 1e-6 : 1e-2, 1e-6)) << mib;
      }
    }
  }
}

// In bf16, 256 + 1 is 256: summed in bf16 the small gradients of the later ranks are lost.
TEST(GradReducer, SumsInFp32RoundOnce) {
  World& world = test_world();
  const auto comm = make_communicator(world, {});
  for (const ArenaShare share : {ArenaShare{}, ArenaShare{world.rank(), world.size()}}) {
    ParameterArena arena;
    arena.declare("a", {300}, {});
    arena.declare("b", {200}, {});
    arena.allocate(at::kBFloat16, at::kCPU, share);
    GradReducer reducer(*comm, arena, 0.0001, true);
    const double mine = world.rank() == 0 ? 256.0 : 1.0;
    reducer.start();
    ((arena.parameter(0).sum() + arena.parameter(1).sum()) * mine).backward();
    reducer.finish();
    const at::Tensor found = arena.gradients().slice(0, arena.held().begin, arena.held().end);
    const at::Tensor expected = at::full({1}, 256.0 + world.size() - 1, at::kFloat).to(at::kBFloat16);
    EXPECT_TRUE(found.eq(expected).all().item<bool>());
  }
}

TEST(GradReducer, AParameterWithoutAGradientIsNamed) {
  const auto comm = make_communicator(test_world(), {});
  ParameterArena arena = make_arena(at::kFloat);
  GradReducer reducer(*comm, arena, 100.0);
  reducer.start();
  (arena.parameter(0).sum() + arena.parameter(2).sum() + arena.parameter(3)).backward();
  test::expect_error(ErrorKind::internal, {"parameter b got no gradient"}, [&] { reducer.finish(); });
}

TEST(GradReducer, TakesItsHooksAway) {
  const auto comm = make_communicator(test_world(), {});
  ParameterArena arena = make_arena(at::kFloat);
  { const GradReducer reducer(*comm, arena, 1.0); }
  loss_of(arena, test_world().rank()).backward();  // a hook that is left would reach into a dead object
  ParameterArena plain = make_arena(at::kFloat);
  loss_of(plain, test_world().rank()).backward();
  EXPECT_TRUE(at::equal(arena.gradients(), plain.gradients()));
}

}  // namespace
}  // namespace clip_hpc
