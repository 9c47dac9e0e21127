// BatchNorm over ranks that have different numbers of rows is BatchNorm of the whole batch.
#include "clip_hpc/ops/batch_norm.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "clip_hpc/comm/comm_options.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kChannels = 5;

at::Tensor values(std::int64_t rows, double step, at::ScalarType type) {
  return at::arange(rows * 6 * kChannels, at::kDouble)
      .mul(step)
      .sin()
      .mul(2)
      .add(0.7)
      .view({rows, 2, 3, kChannels})
      .to(type);
}

// Rank 0 has three rows, rank 1 none, the others two.
std::int64_t rows_of(int rank) { return rank == 0 ? 3 : rank == 1 ? 0 : 2; }

void check(at::ScalarType type, double tolerance) {
  World& world = test_world();
  const auto comm = make_communicator(world, {});
  std::int64_t first = 0, total = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    if (rank < world.rank()) first += rows_of(rank);
    total += rows_of(rank);
  }
  const at::Tensor whole = values(total, 0.731, type), pull = values(total, 1.37, type);
  const at::Tensor gamma = at::linspace(0.5, 1.5, kChannels).to(type), beta = at::linspace(-1, 1, kChannels).to(type);

  const auto leaf = [](const at::Tensor& x) { return x.detach().clone().requires_grad_(); };
  const at::Tensor x = leaf(whole.slice(0, first, first + rows_of(world.rank()))), g = leaf(gamma), b = leaf(beta);
  BatchMoments moments;
  const at::Tensor y = batch_norm_of_ranks(x, g, b, 1e-5, comm.get(), moments);
  const auto found = torch::autograd::grad({y}, {x, g, b}, {pull.slice(0, first, first + x.size(0))});

  const at::Tensor all = leaf(whole), all_g = leaf(gamma), all_b = leaf(beta);
  const at::Tensor planes = all.permute({0, 3, 1, 2});
  at::Tensor mean = at::zeros({kChannels}, type), variance = at::ones({kChannels}, type);
  const at::Tensor expected =
      at::batch_norm(planes, all_g, all_b, mean, variance, true, 0.1, 1e-5, false).permute({0, 2, 3, 1});
  const auto truth = torch::autograd::grad({expected}, {all, all_g, all_b}, {pull});
  const auto near = [&](const at::Tensor& a, const at::Tensor& e) { return at::allclose(a, e, tolerance, tolerance); };
  EXPECT_TRUE(near(y, expected.slice(0, first, first + x.size(0))));
  EXPECT_TRUE(near(found[0], truth[0].slice(0, first, first + x.size(0))));
  for (std::size_t i : {1, 2}) {  // each rank has its part
    const at::Tensor sum = found[i].clone();
    comm->all_reduce(sum, ReduceOp::sum);
    EXPECT_TRUE(near(sum, truth[i])) << i;
  }
  at::Tensor own_mean = at::zeros({kChannels}, type), own_variance = at::ones({kChannels}, type);
  update_running(own_mean, own_variance, moments, 0.1);
  EXPECT_TRUE(near(own_mean, mean) && near(own_variance, variance));
  EXPECT_TRUE(near(batch_norm_frozen(whole, gamma, beta, mean, variance, 1e-5),
                   at::batch_norm(whole.permute({0, 3, 1, 2}), gamma, beta, mean, variance, false, 0.1, 1e-5, false)
                       .permute({0, 2, 3, 1})));
}

TEST(BatchNormOfRanks, IsThatOfTheWholeBatchInDoublePrecision) { check(at::kDouble, 1e-12); }
TEST(BatchNormOfRanks, AndInSingle) { check(at::kFloat, 1e-5); }

}  // namespace
}  // namespace clip_hpc
