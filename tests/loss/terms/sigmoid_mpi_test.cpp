// SigLIP's loss of a batch that is spread over ranks, against its definition in double precision on the whole batch.
#include "clip_hpc/loss/terms/sigmoid.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numeric>

#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

using Rows = std::vector<std::int64_t>;

struct Whole {  // a batch as one process would hold it
  at::Tensor image, text, logit_scale, logit_bias;
};

Whole make_batch(std::int64_t rows, at::ScalarType type) {
  const auto unit = [&](double from) {
    const at::Tensor x = at::arange(rows * 6, at::kDouble).mul(0.7).add(from).sin().view({rows, 6});
    return (x / x.norm(2, {1}, true)).to(type).requires_grad_();
  };
  return {unit(0.3), unit(1.1), at::full({}, 1.7, type).requires_grad_(), at::full({}, -2.3, type).requires_grad_()};
}

// 1 / n * sum over pairs of log(1 + exp(-label * (scale * cosine + bias))), written out.
at::Tensor reference_loss(const Whole& batch) {
  const std::int64_t n = batch.image.size(0);
  const at::Tensor labels = 2 * at::eye(n, at::kDouble) - 1;
  const at::Tensor logits = batch.image.mm(batch.text.t()) * batch.logit_scale.exp() + batch.logit_bias;
  return at::log1p((-labels * logits).exp()).sum() / static_cast<double>(n);
}

at::Tensor sum_over_ranks(Communicator& comm, const at::Tensor& part) {
  const at::Tensor sum = part.detach().clone().contiguous();
  comm.all_reduce(sum, ReduceOp::sum);
  return sum;
}

Rows even_rows() { return Rows(static_cast<std::size_t>(test_world().size()), 5); }
Rows uneven_rows() {
  const Rows rows{3, 1, 7, 2};
  return {rows.begin(), rows.begin() + test_world().size()};
}

void check_against_reference(const Rows& rows, at::ScalarType type, double tolerance, std::int64_t columns) {
  World& world = test_world();
  const auto comm = make_mpi_communicator(world);
  const BatchSplit split{rows, world.rank()};
  const Whole whole = make_batch(split.global(), at::kDouble);
  const at::Tensor expected = reference_loss(whole);
  const auto gradients =
      torch::autograd::grad({expected}, {whole.image, whole.text, whole.logit_scale, whole.logit_bias});

  const Whole mine = make_batch(split.global(), type);
  const at::Tensor image = mine.image.detach().narrow(0, split.first(), split.rows()).clone().requires_grad_();
  const at::Tensor text = mine.text.detach().narrow(0, split.first(), split.rows()).clone().requires_grad_();
  const at::Tensor part = sigmoid_term().partial(*comm, {image, text, {}}, {mine.logit_scale, mine.logit_bias}, split,
                                                 {.columns = columns});
  const auto local = torch::autograd::grad({part}, {image, text, mine.logit_scale, mine.logit_bias});

  const auto close = [&](const at::Tensor& a, const at::Tensor& b) {
    return at::allclose(a.to(at::kDouble), b, tolerance, tolerance);
  };
  EXPECT_TRUE(close(sum_over_ranks(*comm, part), expected)) << expected.item<double>();
  EXPECT_TRUE(close(local[0], gradients[0].narrow(0, split.first(), split.rows())));
  EXPECT_TRUE(close(local[1], gradients[1].narrow(0, split.first(), split.rows())));
  EXPECT_TRUE(close(sum_over_ranks(*comm, local[2]), gradients[2]));
  EXPECT_TRUE(close(sum_over_ranks(*comm, local[3]), gradients[3]));
}

TEST(SigmoidTerm, LossAndEveryGradientEqualTheWholeBatchInDoublePrecision) {
  for (const std::int64_t columns : {0, 1, 3, 100}) {
    check_against_reference(even_rows(), at::kDouble, 1e-12, columns);
    check_against_reference(uneven_rows(), at::kDouble, 1e-12, columns);
  }
}

TEST(SigmoidTerm, InSinglePrecisionUpToRounding) {
  for (const std::int64_t columns : {0, 2}) check_against_reference(uneven_rows(), at::kFloat, 1e-5, columns);
}

// Embeddings that know nothing have cosines of 0: the loss is then softplus(10) + (n - 1) softplus(-10), whatever the
// number of ranks. The numbers are SigLIP's at its initial scale and bias.
TEST(SigmoidTerm, BeginsWhereItsInitialScaleAndBiasSay) {
  const auto comm = make_mpi_communicator(test_world());
  const LossTerm term = sigmoid_term();
  ASSERT_TRUE(term.initial.has_value());
  const auto at_start = [&](std::int64_t global) {
    BatchSplit split{{}, comm->rank()};
    for (int rank = 0; rank < comm->size(); ++rank) {
      split.rows_per_rank.push_back(global * (rank + 1) / comm->size() - global * rank / comm->size());
    }
    const auto along = [&](std::int64_t axis) {
      const at::Tensor features = at::zeros({split.rows(), 2}, at::kFloat);
      features.select(1, axis).fill_(1);
      return features;
    };
    const at::Tensor part = term.partial(
        *comm, {along(0), along(1), {}},
        {at::full({}, term.initial->logit_scale, at::kFloat), at::full({}, term.initial->logit_bias, at::kFloat)},
        split, {.columns = 512});
    return sum_over_ranks(*comm, part).item<double>();
  };
  EXPECT_NEAR(at_start(1024), 10.0465, 1e-4);
  EXPECT_NEAR(at_start(4096), 10.1860, 1e-4);
  if (comm->size() == 4) {
    EXPECT_NEAR(at_start(16384), 10.7438, 2e-4);
  }
}

// Both are one micro-batch of the other: a sum of parts, each with its own scale and bias, would count these k times.
TEST(SigmoidTerm, ScaleAndBiasAreCountedOnce) {
  const auto comm = make_self_communicator();
  const Whole batch = make_batch(6, at::kDouble);
  const at::Tensor loss = sigmoid_term().partial(*comm, {batch.image, batch.text, {}},
                                                 {batch.logit_scale, batch.logit_bias}, {{6}, 0}, {.columns = 2});
  const auto found = torch::autograd::grad({loss}, {batch.logit_bias});
  const at::Tensor logits = batch.image.mm(batch.text.t()) * batch.logit_scale.exp() + batch.logit_bias;
  const at::Tensor expected = (logits.sigmoid().sum() - 6) / 6;
  EXPECT_NEAR(found[0].item<double>(), expected.item<double>(), 1e-12);
}

}  // namespace
}  // namespace clip_hpc
