#include "clip_hpc/train/rank_check.hpp"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "tests/expect_error.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

void fill(ParameterArena& arena, at::ScalarType compute) {
  arena.declare("a", {300, 7}, {});
  arena.declare("b", {5}, {});
  arena.allocate(compute);
  const at::NoGradGuard none;
  arena.master().copy_(at::arange(arena.numel(), at::kFloat).sin());
  arena.refresh_weights();
}

TEST(RankCheck, EveryBitOfTheWeightsCounts) {
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    ParameterArena arena;
    fill(arena, compute);
    const std::uint64_t before = hash_of_weights(arena);
    EXPECT_EQ(hash_of_weights(arena), before);
    const at::NoGradGuard none;
    const at::Tensor element = arena.weights().detach().narrow(0, 1234, 1);
    element.mul_(1.01);
    EXPECT_NE(hash_of_weights(arena), before);
  }
}

TEST(RankCheck, ADriftOfTheMasterAloneIsSeen) {
  ParameterArena arena;
  fill(arena, at::kBFloat16);
  const std::uint64_t before = hash_of_weights(arena);
  const at::NoGradGuard none;
  arena.master().narrow(0, 3, 1).add_(1e-7);
  EXPECT_NE(hash_of_weights(arena), before);
}

TEST(RankCheck, TheRankThatDriftsIsNamedByAll) {
  World& world = test_world();
  ParameterArena arena;
  fill(arena, at::kFloat);
  check_ranks_agree(world, arena, 7);
  if (world.size() < 2) return;
  const int drifting = world.size() - 1;
  const at::NoGradGuard none;
  if (world.rank() == drifting) arena.weights().detach().narrow(0, 9, 1).add_(1e-6);
  test::expect_error(ErrorKind::device,
                     {"after step 7", fmt::format("1 of {} ranks", world.size()),
                      fmt::format("rank {} on {}", drifting, world.host_name())},
                     [&] { check_ranks_agree(world, arena, 7); });
}

TEST(RankCheck, TheMajorityIsRight) {
  using Ranks = std::vector<std::size_t>;
  EXPECT_EQ(ranks_apart({"a", "a", "a"}), Ranks{});
  EXPECT_EQ(ranks_apart({"b", "a", "a"}), Ranks{0});
  EXPECT_EQ(ranks_apart({"a", "b", "a", "c"}), (Ranks{1, 3}));
  EXPECT_EQ(ranks_apart({"a", "b"}), Ranks{1});
}

}  // namespace
}  // namespace clip_hpc
