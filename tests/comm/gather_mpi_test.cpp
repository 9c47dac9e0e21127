// gather_rows against one process that holds all rows, and the control collectives of World.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <map>
#include <numeric>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/gather_with_grad.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

// A loss whose gradient differs on every rank and couples all rows, as a contrastive loss does.
at::Tensor loss_of(const at::Tensor& all, int rank) { return (all.mm(all.t()) * (rank + 1)).sin().sum(); }

void check_gather(const std::vector<std::int64_t>& rows) {
  World& world = test_world();
  const auto body = make_mpi_communicator(world);
  const auto rank = static_cast<std::size_t>(world.rank());
  const std::int64_t total = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  const std::int64_t first = std::accumulate(rows.begin(), rows.begin() + world.rank(), std::int64_t{0});

  const at::Tensor whole = at::arange(total * 5, at::kDouble).mul(0.1).sin().view({total, 5}).requires_grad_();
  at::Tensor sum = at::zeros({}, at::kDouble);
  for (int r = 0; r < world.size(); ++r) sum = sum + loss_of(whole, r);
  const at::Tensor whole_grad = torch::autograd::grad({sum}, {whole})[0];

  const at::Tensor local = whole.detach().narrow(0, first, rows[rank]).clone().requires_grad_();
  const at::Tensor all = gather_rows(*body, local, rows);
  EXPECT_TRUE(at::equal(all, whole));
  const at::Tensor grad = torch::autograd::grad({loss_of(all, world.rank())}, {local})[0];
  EXPECT_EQ(grad.sizes(), local.sizes());
  EXPECT_TRUE(at::allclose(grad, whole_grad.narrow(0, first, rows[rank]), 1e-12, 1e-12));
}

TEST(GatherRows, EvenRows) {
  check_gather(std::vector<std::int64_t>(static_cast<std::size_t>(test_world().size()), 4));
}

TEST(GatherRows, UnevenRows) {
  const std::vector<std::int64_t> rows{3, 1, 7, 2};
  check_gather({rows.begin(), rows.begin() + test_world().size()});
}

TEST(GatherRows, ARankWithoutRows) {
  const std::vector<std::int64_t> rows{2, 0, 5, 0};
  check_gather({rows.begin(), rows.begin() + test_world().size()});
}

TEST(GatherRows, OneRankIsTheIdentity) {
  const auto body = make_self_communicator();
  const at::Tensor local = at::ones({3, 2}).requires_grad_();
  const std::vector<std::int64_t> rows{3};
  EXPECT_TRUE(gather_rows(*body, local, rows).is_same(local));
}

TEST(GatherRows, RefusesWrongCounts) {
  const auto body = make_self_communicator();
  const std::vector<std::int64_t> rows{4};
  EXPECT_THROW(gather_rows(*body, at::ones({3, 2}), rows), Error);
}

TEST(World, ControlCollectives) {
  World& world = test_world();
  const int n = world.size();
  const double r = world.rank();
  std::vector<double> low{r, -r}, high{r, -r}, sum{r, 1.0};
  std::vector<std::int64_t> big{std::int64_t{1} << (40 + world.rank())};
  world.all_reduce_min(low);
  world.all_reduce_max(high);
  world.all_reduce_sum(sum);
  world.all_reduce_max(big);
  EXPECT_EQ(low, (std::vector<double>{0.0, 1.0 - n}));
  EXPECT_EQ(high, (std::vector<double>{n - 1.0, 0.0}));
  EXPECT_EQ(sum, (std::vector<double>{n * (n - 1) / 2.0, static_cast<double>(n)}));
  EXPECT_EQ(big[0], std::int64_t{1} << (39 + n));
  EXPECT_GE(world.local_size(), 1);
  EXPECT_LT(world.local_rank(), world.local_size());
  EXPECT_FALSE(world.host_name().empty());
  world.barrier();
}

TEST(World, StringsAndBytes) {
  World& world = test_world();
  for (int root = 0; root < world.size(); ++root) {
    EXPECT_EQ(world.broadcast(std::string(static_cast<std::size_t>(world.rank() * 100), 'x'), root).size(),
              static_cast<std::size_t>(root * 100));
    const std::vector<std::byte> mine(static_cast<std::size_t>(world.rank() + 1), std::byte(world.rank()));
    EXPECT_EQ(world.broadcast(mine, root), std::vector<std::byte>(static_cast<std::size_t>(root + 1), std::byte(root)));
  }
  const std::string mine(static_cast<std::size_t>(world.rank()), static_cast<char>('a' + world.rank()));
  const auto everywhere = world.all_gather_strings(mine);
  const auto at_root = world.gather_strings(mine);
  EXPECT_EQ(at_root.size(), world.rank() == 0 ? static_cast<std::size_t>(world.size()) : 0u);
  ASSERT_EQ(everywhere.size(), static_cast<std::size_t>(world.size()));
  for (std::size_t r = 0; r < everywhere.size(); ++r) {
    EXPECT_EQ(everywhere[r], std::string(r, static_cast<char>('a' + r)));
  }
  if (world.rank() == 0) {
    EXPECT_EQ(at_root, everywhere);
  }
}

TEST(World, FlagsOverlapOtherWork) {
  World& world = test_world();
  EXPECT_THROW(world.wait_flags(), Error);
  World::ControlFlags mine{};
  mine[static_cast<std::size_t>(world.rank())] = 10 + world.rank();
  mine[7] = -world.rank();
  world.start_flags(mine);
  EXPECT_TRUE(world.flags_started());
  EXPECT_THROW(world.start_flags(mine), Error);
  world.barrier();
  EXPECT_EQ(world.broadcast(std::string("between")), "between");
  const World::ControlFlags all = world.wait_flags();
  for (int r = 0; r < world.size(); ++r) EXPECT_EQ(all[static_cast<std::size_t>(r)], 10 + r);
  EXPECT_EQ(all[7], 0);
  EXPECT_FALSE(world.flags_started());
}

TEST(World, NamesALaunchThatLostItsRanks) {
  const auto problem = [](int size, const std::map<std::string, std::string>& set) {
    return launch_problem(size,
                          [&](const char* key) -> const char* {
                            const auto found = set.find(key);
                            return found == set.end() ? nullptr : found->second.c_str();
                          })
        .has_value();
  };
  EXPECT_FALSE(problem(1, {}));
  EXPECT_TRUE(problem(1, {{"SLURM_STEP_NUM_TASKS", "4"}}));
  EXPECT_TRUE(problem(1, {{"SLURM_NTASKS", "4"}}));
  EXPECT_FALSE(problem(1, {{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "1"}}));  // srun -n 1 on purpose
  EXPECT_TRUE(problem(1, {{"SLURM_STEP_NUM_TASKS", "4"}, {"PMIX_RANK", "0"}}));      // an MPI without PMIx under srun
  EXPECT_FALSE(problem(1, {{"SLURM_NTASKS", "4"}, {"OMPI_COMM_WORLD_SIZE", "1"}}));  // mpirun -np 1 in a job
  EXPECT_FALSE(problem(4, {{"SLURM_NTASKS", "4"}}));
}

}  // namespace
}  // namespace clip_hpc
