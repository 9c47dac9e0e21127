// The loss of a batch that is spread over ranks, against a plain computation in double precision on the whole batch.
#include "clip_hpc/loss/softmax_rows.hpp"
#include "clip_hpc/loss/terms/softmax.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <numeric>

#include "clip_hpc/model/clip_model.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

using Rows = std::vector<std::int64_t>;

struct Whole {  // a batch as one process would hold it
  at::Tensor image, text, logit_scale;
};

Whole make_batch(std::int64_t rows, at::ScalarType type) {
  const auto unit = [&](double from) {
    const at::Tensor x = at::arange(rows * 6, at::kDouble).mul(0.7).add(from).sin().view({rows, 6});
    return (x / x.norm(2, {1}, true)).to(type).requires_grad_();
  };
  return {unit(0.3), unit(1.1), at::full({}, 1.7, type).requires_grad_()};
}

// Mean over both directions of -log softmax at the diagonal, written out.
at::Tensor reference_loss(const Whole& batch) {
  const at::Tensor logits = batch.image.mm(batch.text.t()) * batch.logit_scale.exp();
  const at::Tensor own = logits.diagonal();
  const at::Tensor by_image = (logits.exp().sum(1).log() - own).mean();
  const at::Tensor by_text = (logits.exp().sum(0).log() - own).mean();
  return (by_image + by_text) / 2;
}

at::Tensor sum_over_ranks(Communicator& comm, const at::Tensor& share) {
  const at::Tensor sum = share.detach().clone().contiguous();
  comm.all_reduce(sum, ReduceOp::sum);
  return sum;
}

void check_against_reference(const Rows& rows, at::ScalarType type, double tolerance, std::int64_t columns = 0) {
  World& world = test_world();
  const auto comm = make_mpi_communicator(world);
  const auto rank = static_cast<std::size_t>(world.rank());
  const std::int64_t total = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  const std::int64_t first = std::accumulate(rows.begin(), rows.begin() + world.rank(), std::int64_t{0});

  const Whole whole = make_batch(total, at::kDouble);
  const at::Tensor expected = reference_loss(whole);
  const auto gradients = torch::autograd::grad({expected}, {whole.image, whole.text, whole.logit_scale});

  const Whole mine = make_batch(total, type);
  const at::Tensor image = mine.image.detach().narrow(0, first, rows[rank]).clone().requires_grad_();
  const at::Tensor text = mine.text.detach().narrow(0, first, rows[rank]).clone().requires_grad_();
  const at::Tensor share = softmax_term().partial(*comm, {image, text, {}}, {mine.logit_scale, {}},
                                                  {rows, comm->rank()}, {.columns = columns});
  const auto local = torch::autograd::grad({share}, {image, text, mine.logit_scale});

  const auto close = [&](const at::Tensor& a, const at::Tensor& b) {
    return at::allclose(a.to(at::kDouble), b, tolerance, tolerance);
  };
  EXPECT_TRUE(close(sum_over_ranks(*comm, share), expected)) << expected.item<double>();
  EXPECT_TRUE(close(local[0], gradients[0].narrow(0, first, rows[rank])));
  EXPECT_TRUE(close(local[1], gradients[1].narrow(0, first, rows[rank])));
  EXPECT_TRUE(close(sum_over_ranks(*comm, local[2]), gradients[2]));
}

Rows even_rows() { return Rows(static_cast<std::size_t>(test_world().size()), 5); }
Rows uneven_rows() {
  const Rows rows{3, 1, 7, 2};
  return {rows.begin(), rows.begin() + test_world().size()};
}

TEST(SoftmaxTerm, LossAndEveryGradientEqualTheWholeBatchInDoublePrecision) {
  check_against_reference(even_rows(), at::kDouble, 1e-12);
  check_against_reference(uneven_rows(), at::kDouble, 1e-12);
}

// Blocks of columns that end inside a rank's own keys, or hold them all, or none.
TEST(SoftmaxTerm, AnyNumberOfColumnsAtATimeGivesTheSame) {
  for (const std::int64_t columns : {1, 2, 3, 4, 6, 1000}) {
    check_against_reference(even_rows(), at::kDouble, 1e-12, columns);
    check_against_reference(uneven_rows(), at::kDouble, 1e-12, columns);
  }
  check_against_reference(even_rows(), at::kFloat, 2e-5, 3);
}

TEST(SoftmaxTerm, ColumnsAtATimePassTheGradientOnByItsFactor) {
  const Whole batch = make_batch(7, at::kDouble);
  const at::Tensor scale = at::full({}, 5.0, at::kDouble).requires_grad_();
  std::vector<torch::autograd::variable_list> all;
  for (const std::int64_t columns : {0, 3}) {
    const at::Tensor loss = softmax_loss_sum(batch.image.narrow(0, 2, 4), batch.text, scale, {2}, columns) * 2.5;
    all.push_back(torch::autograd::grad({loss}, {batch.image, batch.text, scale}));
  }
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(at::allclose(all[0][i], all[1][i], 1e-12, 1e-12));
}

// As the code of SLIP: on several ranks all features that were gathered are constants, a rank's own among them.
void check_partial_gradient(const Rows& rows, std::int64_t columns) {
  World& world = test_world();
  const auto comm = make_mpi_communicator(world);
  const BatchSplit split{rows, world.rank()};
  const std::int64_t first = split.first(), total = split.global();
  const Whole whole = make_batch(total, at::kDouble);
  const auto own_of = [&](const at::Tensor& all) {
    return all.detach().narrow(0, first, split.rows()).clone().requires_grad_();
  };
  const at::Tensor image = own_of(whole.image), text = own_of(whole.text);
  const auto gathered = [&](const at::Tensor& all, const at::Tensor& own) {
    return world.size() > 1 ? all.detach() : own;
  };
  const at::Tensor labels = at::arange(first, first + split.rows(), at::kLong);
  const auto one_way = [&](const at::Tensor& own, const at::Tensor& all) {
    return at::cross_entropy_loss(own.mm(all.t()) * whole.logit_scale.exp(), labels, {}, at::Reduction::Sum);
  };
  const at::Tensor expected =
      (one_way(image, gathered(whole.text, text)) + one_way(text, gathered(whole.image, image))) *
      (0.5 / static_cast<double>(total));
  const auto truth = torch::autograd::grad({expected}, {image, text, whole.logit_scale});

  const at::Tensor part = softmax_term().partial(*comm, {image, text, {}}, {whole.logit_scale, {}}, split,
                                                 {.columns = columns, .partial_gradient = true});
  const auto found = torch::autograd::grad({part * 3}, {image, text, whole.logit_scale});
  const auto near = [](const at::Tensor& a, const at::Tensor& b) { return at::allclose(a, b * 3, 1e-12, 1e-12); };
  EXPECT_TRUE(near(found[0], truth[0])) << columns;
  EXPECT_TRUE(near(found[1], truth[1])) << columns;
  EXPECT_TRUE(near(sum_over_ranks(*comm, found[2]), sum_over_ranks(*comm, truth[2]))) << columns;
  EXPECT_TRUE(at::allclose(sum_over_ranks(*comm, part), sum_over_ranks(*comm, expected), 1e-12, 1e-12));
}

TEST(SoftmaxTerm, ThePartialGradientIsThatOfEachRanksOwnRows) {
  for (const std::int64_t columns : {0, 1, 3, 1000}) {
    check_partial_gradient(even_rows(), columns);
    check_partial_gradient(uneven_rows(), columns);
  }
}

// What was gathered is gone after the first.
TEST(SoftmaxTerm, ASecondBackwardPassIsRefused) {
  const Whole batch = make_batch(4, at::kDouble);
  const auto comm = make_self_communicator();
  const at::Tensor loss =
      softmax_term().partial(*comm, {batch.image, batch.text, {}}, {batch.logit_scale, {}}, {{4}, 0}, {});
  const auto gradient = [&] { return torch::autograd::grad({loss}, {batch.text}, {}, /*retain_graph=*/true); };
  gradient();
  EXPECT_ANY_THROW(gradient());
}

TEST(SoftmaxTerm, SinglePrecisionIsClose) {
  check_against_reference(even_rows(), at::kFloat, 2e-5);
  check_against_reference(uneven_rows(), at::kFloat, 2e-5);
}

TEST(SoftmaxTerm, EqualPairsOfOrthogonalFeaturesHaveTheLossOfTheFormula) {
  // n pairs of unit vectors along n axes: each logit row holds s once and 0 elsewhere.
  World& world = test_world();
  const auto comm = make_mpi_communicator(world);
  const std::int64_t n = 2 * world.size();
  const at::Tensor mine = at::eye(n, at::kDouble).narrow(0, 2 * world.rank(), 2).clone();
  const Rows rows(static_cast<std::size_t>(world.size()), 2);
  const double s = 3.0;
  const at::Tensor share = softmax_term().partial(*comm, {mine, mine, {}}, {at::full({}, std::log(s), at::kDouble), {}},
                                                  {rows, comm->rank()}, {});
  const double expected = std::log(std::exp(s) + static_cast<double>(n - 1)) - s;
  EXPECT_NEAR(sum_over_ranks(*comm, share).item<double>(), expected, 1e-12);
}

// The same through both towers: the arena's gradients, summed over ranks, are those of one process.
TEST(SoftmaxTerm, GradientsOfAModelDoNotDependOnTheNumberOfRanks) {
  World& world = test_world();
  const ModelConfig config = parse_model_config(Json::parse(R"({"embed_dim": 16,
    "vision_cfg": {"image_size": 16, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 8, "vocab_size": 50, "width": 24, "heads": 2, "layers": 2}})"),
                                                "tiny");
  const Rows rows = uneven_rows();
  const std::int64_t total = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  const std::int64_t first = std::accumulate(rows.begin(), rows.begin() + world.rank(), std::int64_t{0});
  const at::Tensor pixels = at::arange(total * 3 * 256, at::kFloat).mul(0.01).sin().view({total, 3, 16, 16});
  at::Tensor ids = at::arange(total * 8, at::kLong).mul(7).remainder(48).view({total, 8});
  ids.select(1, 6).fill_(49);

  const auto gradients = [&](Communicator& comm, std::int64_t begin, std::int64_t count, const Rows& shares) {
    ClipModel model(config, at::kFloat);
    model.initialise("clip_hpc", 5);
    const at::Tensor image = normalise_features(model.encode_image(pixels.narrow(0, begin, count)));
    const at::Tensor text = normalise_features(model.encode_text(ids.narrow(0, begin, count)));
    softmax_term().partial(comm, {image, text, {}}, {model.logit_scale(), {}}, {shares, comm.rank()}, {}).backward();
    return model.arena().gradients().clone();
  };
  const auto self = make_self_communicator();
  const at::Tensor expected = gradients(*self, 0, total, {total});
  const auto comm = make_mpi_communicator(world);
  const at::Tensor sum =
      sum_over_ranks(*comm, gradients(*comm, first, rows[static_cast<std::size_t>(world.rank())], rows));
  EXPECT_GT(expected.abs().max().item<double>(), 1e-3);
  EXPECT_LT((sum - expected).abs().max().item<double>(), 4e-6);
}

}  // namespace
}  // namespace clip_hpc
