// What the benchmarks of a scaling report say of each rank. No time is judged, only what belongs together.
#include "clip_hpc/bench/bench_step.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/bench/bench_checkpoint.hpp"
#include "clip_hpc/bench/bench_comm.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/train/grad_reducer.hpp"
#include "tests/model/tiny_model.hpp"
#include "tests/mpi_test.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

TEST(BenchStep, EveryRankIsToldOf) {
  World& world = test_world();
  StepBenchOptions options;
  options.model = test::two_small_towers(16, 8);
  options.strategy.mask_ratio = 0;
  options.global_batch = 4 * world.size() + 1;  // uneven
  options.seconds = 0.1;
  options.device = "cpu";
  const StepRate rate = bench_step(world, options);
  EXPECT_EQ(rate.gather_bytes, 4 * options.model.embed_dim * options.global_batch);
  EXPECT_GT(rate.gradient_bytes, 0);
  EXPECT_GE(rate.gradient_buckets, 1);
  EXPECT_EQ(rate.gradients_alone_ms > 0, world.size() > 1);
  EXPECT_EQ(rate.gather_alone_ms > 0, world.size() > 1);
  if (world.rank() != 0) {
    EXPECT_TRUE(rate.ranks.empty());
    return;
  }
  EXPECT_EQ(rate.nodes, 1);
  ASSERT_EQ(std::ssize(rate.ranks), world.size());
  for (int rank = 0; rank < world.size(); ++rank) {
    const RankTime& one = rate.ranks[static_cast<std::size_t>(rank)];
    EXPECT_EQ(one.rank, rank);
    EXPECT_EQ(one.host, world.host_name());
    EXPECT_NEAR(one.work_ms + one.comm_wait_ms + one.data_wait_ms, one.step_ms, 1e-6 * one.step_ms);
    EXPECT_GT(one.least_work_ms, 0);
    EXPECT_LE(one.least_work_ms, one.median_work_ms);
    EXPECT_LE(one.median_work_ms, one.most_work_ms);
  }
}

TEST(BenchStep, AnExchangeAloneIsTheExchangeOfAStep) {
  World& world = test_world();
  const auto comm = make_communicator(world, {});
  ClipModel model(test::two_small_towers(16, 8), at::kFloat);
  model.initialise("clip_hpc", 5);
  GradReducer reducer(*comm, model.arena(), 0.02);
  EXPECT_GT(reducer.buckets(), 1U);
  EXPECT_EQ(reducer.bytes(), 4 * model.arena().numel());
  for (int n = 0; n < 2; ++n) {
    model.arena().gradients().fill_(world.rank() + 1);
    reducer.exchange();
    EXPECT_TRUE(model.arena().gradients().eq(world.size() * (world.size() + 1) / 2).all().item<bool>());
  }
}

TEST(BenchComm, SumsOfTheNonBlockingAllReduceAreRight) {
  World& world = test_world();
  const auto comm = make_communicator(world, {});
  for (const std::int64_t bytes : {16, 4096, 300000}) {
    bool is_there = false;
    for (const CommRate& rate : bench_comm(world, *comm, bytes, 0.001)) {
      EXPECT_EQ(rate.wrong, 0) << rate.operation;
      is_there = is_there || rate.operation == "start_all_reduce";
    }
    EXPECT_TRUE(is_there);
  }
}

TEST(BenchCheckpoint, WritesReadsAndLeavesNothing) {
  World& world = test_world();
  const Scratch mine;
  const std::filesystem::path base = world.broadcast(mine.path().native());
  for (const bool is_shared : {false, true}) {
    CheckpointBenchOptions options{
        .model = test::two_small_towers(16, 8), .folder = base / "bench", .rounds = 2, .shard_optimizer = is_shared};
    const CheckpointRate rate = bench_checkpoint(world, options);
    EXPECT_GT(rate.blocked_ms, 0);
    EXPECT_GT(rate.write_ms, rate.blocked_ms);
    EXPECT_GT(rate.read_ms, 0);
    if (world.rank() == 0) {
      EXPECT_GT(rate.bytes, 3 * 4 * 1000);
    }
    world.barrier();
    EXPECT_FALSE(std::filesystem::exists(options.folder));
    world.barrier();
  }
}

}  // namespace
}  // namespace clip_hpc
