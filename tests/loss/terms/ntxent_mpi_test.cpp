// NT-Xent of a batch that is spread over ranks, against its definition in double precision on the whole batch.
#include "clip_hpc/loss/terms/ntxent.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

constexpr double kTemperature = 0.1;

at::Tensor unit_rows(std::int64_t rows, double from) {
  const at::Tensor x = at::arange(rows * 6, at::kDouble).mul(0.7).add(from).sin().view({rows, 6});
  return x / x.norm(2, {1}, true);
}

// SLIP's SIMCLRLoss: cosine similarities over the temperature, a row's own picture taken away, both directions.
at::Tensor reference(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor self = at::eye(a.size(0), at::kDouble) * 1e9;
  const at::Tensor labels = at::arange(a.size(0), at::kLong);
  const auto one_way = [&](const at::Tensor& x, const at::Tensor& y) {
    const at::Tensor logits = at::cat({x.mm(y.t()) / kTemperature, x.mm(x.t()) / kTemperature - self}, 1);
    return at::cross_entropy_loss(logits, labels);
  };
  return (one_way(a, b) + one_way(b, a)) / 2;
}

void check(const std::vector<std::int64_t>& rows, at::ScalarType type, std::int64_t columns, double tolerance) {
  World& world = test_world();
  const auto comm = make_mpi_communicator(world);
  const BatchSplit split{rows, world.rank()};
  const at::Tensor a = unit_rows(split.global(), 0.3).requires_grad_(),
                   b = unit_rows(split.global(), 1.1).requires_grad_();
  const at::Tensor expected = reference(a, b);
  const auto truth = torch::autograd::grad({expected}, {a, b});

  const auto mine = [&](const at::Tensor& x) {
    return x.detach().narrow(0, split.first(), split.rows()).to(type).clone().requires_grad_();
  };
  const at::Tensor own_a = mine(a), own_b = mine(b), none = at::empty({split.rows(), 6}, type);
  const at::Tensor part = ntxent_term().partial(*comm, {none, none, {own_a, own_b}}, {}, split,
                                                {.columns = columns, .temperature = kTemperature});
  const auto found = torch::autograd::grad({part}, {own_a, own_b});
  const at::Tensor sum = part.detach().clone();
  comm->all_reduce(sum, ReduceOp::sum);
  const auto near = [&](const at::Tensor& x, const at::Tensor& y) {
    return at::allclose(x.to(at::kDouble), y, tolerance, tolerance);
  };
  EXPECT_TRUE(near(sum, expected)) << expected.item<double>();
  EXPECT_TRUE(near(found[0], truth[0].narrow(0, split.first(), split.rows())));
  EXPECT_TRUE(near(found[1], truth[1].narrow(0, split.first(), split.rows())));
}

TEST(NtXentTerm, LossAndEveryGradientEqualTheWholeBatch) {
  const std::vector<std::int64_t> even(static_cast<std::size_t>(test_world().size()), 5), uneven{3, 1, 7, 0};
  for (const auto& rows : {even, std::vector<std::int64_t>(uneven.begin(), uneven.begin() + test_world().size())}) {
    for (const std::int64_t columns : {0, 1, 4}) {
      check(rows, at::kDouble, columns, 1e-10);
      check(rows, at::kFloat, columns, 1e-4);
    }
  }
}

}  // namespace
}  // namespace clip_hpc
