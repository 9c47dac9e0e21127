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

// `flat`: rows of channels alone. LibTorch computes in `exact`, for bfloat16 in fp32.
void check(at::ScalarType type, double tolerance, bool relu, bool flat = false) {
  const at::ScalarType exact = type == at::kBFloat16 ? at::kFloat : type;
  World& world = test_world();
  const auto comm = make_communicator(world, {});
  std::int64_t first = 0, total = 0;
  for (int rank = 0; rank < world.size(); ++rank) {
    if (rank < world.rank()) first += rows_of(rank);
    total += rows_of(rank);
  }
  const auto shaped = [flat](const at::Tensor& x) { return flat ? x.select(2, 1).select(1, 1).contiguous() : x; };
  const at::Tensor whole = shaped(values(total, 0.731, type)), pull = shaped(values(total, 1.37, type));
  const at::Tensor gamma = at::linspace(0.5, 1.5, kChannels).to(type), beta = at::linspace(-1, 1, kChannels).to(type);

  const auto leaf = [](const at::Tensor& x) { return x.detach().clone().requires_grad_(); };
  const at::Tensor x = leaf(whole.slice(0, first, first + rows_of(world.rank()))), g = leaf(gamma), b = leaf(beta);
  BatchMoments moments;
  const at::Tensor y = batch_norm_of_ranks(x, g, b, 1e-5, comm.get(), moments, relu);
  EXPECT_EQ(y.scalar_type(), type);
  EXPECT_EQ(y.sizes(), x.sizes());
  const auto found = torch::autograd::grad({y}, {x, g, b}, {pull.slice(0, first, first + x.size(0))});

  const at::Tensor all = leaf(whole.to(exact)), all_g = leaf(gamma.to(exact)), all_b = leaf(beta.to(exact));
  const auto planes = [flat](const at::Tensor& of) { return flat ? of : of.permute({0, 3, 1, 2}); };
  const auto back = [flat](const at::Tensor& of) { return flat ? of : of.permute({0, 2, 3, 1}); };
  at::Tensor mean = at::zeros({kChannels}, exact), variance = at::ones({kChannels}, exact);
  at::Tensor expected = back(at::batch_norm(planes(all), all_g, all_b, mean, variance, true, 0.1, 1e-5, false));
  if (relu) expected = expected.relu();
  const auto truth = torch::autograd::grad({expected}, {all, all_g, all_b}, {pull.to(exact)});
  const auto near = [&](const at::Tensor& a, const at::Tensor& e) {
    return at::allclose(a.to(exact), e, tolerance, tolerance);
  };
  EXPECT_TRUE(near(y, expected.slice(0, first, first + x.size(0))));
  EXPECT_TRUE(near(found[0], truth[0].slice(0, first, first + x.size(0))));
  for (std::size_t i : {1, 2}) {  // each rank has its part
    const at::Tensor sum = found[i].clone();
    comm->all_reduce(sum, ReduceOp::sum);
    EXPECT_TRUE(near(sum, truth[i])) << i;
  }
  at::Tensor own_mean = at::zeros({kChannels}, exact), own_variance = at::ones({kChannels}, exact);
  update_running(own_mean, own_variance, moments, 0.1);
  EXPECT_TRUE(near(own_mean, mean) && near(own_variance, variance));
  EXPECT_TRUE(near(batch_norm_frozen(whole, gamma, beta, mean, variance, 1e-5),
                   back(at::batch_norm(planes(whole.to(exact)), gamma.to(exact), beta.to(exact), mean, variance, false,
                                       0.1, 1e-5, false))));
}

TEST(BatchNormOfRanks, IsThatOfTheWholeBatchInEveryPrecision) {
  for (const bool relu : {false, true}) {
    for (const bool flat : {false, true}) {
      check(at::kDouble, 1e-12, relu, flat);
      check(at::kFloat, 1e-5, relu, flat);
    }
  }
}
TEST(BatchNormOfRanks, AndInBfloat16) { check(at::kBFloat16, 4e-2, false); }

}  // namespace
}  // namespace clip_hpc
