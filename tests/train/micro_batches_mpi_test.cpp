// The gradient of micro-batches is the gradient of the batch, whatever their size and on any number of ranks.
#include "clip_hpc/train/micro_batches.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/loss/terms/softmax.hpp"
#include "tests/model/tiny_model.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

ModelConfig tiny() { return test::two_small_towers(16, 8); }

struct Outcome {
  double loss;  // of this rank's rows
  at::Tensor gradients;
};

// In double precision, so that what is left of a difference is a mistake.
Outcome step(Communicator& comm, const std::vector<std::int64_t>& rows, std::int64_t micro_batch, bool recompute,
             bool packs = false) {
  const auto rank = static_cast<std::size_t>(comm.rank());
  const std::int64_t first = std::accumulate(rows.begin(), rows.begin() + comm.rank(), std::int64_t{0});
  const std::int64_t total = std::accumulate(rows.begin(), rows.end(), std::int64_t{0});
  PairBatch whole{
      at::arange(total * 3 * 256, at::kLong).mul(37).remainder(251).to(at::kByte).view({1, total, 3, 16, 16}),
      at::arange(total * 8, at::kLong).mul(7).remainder(48).view({total, 8}),
      at::arange(total, at::kLong).remainder(3).unsqueeze(1).add(at::arange(2, at::kLong)),  // 2 of 4
      {}};
  for (std::int64_t row = 0; row < total; ++row) {
    const std::int64_t end = 1 + row % 7;
    whole.ids[row][end] = 49;
    if (packs) whole.lengths.push_back(static_cast<std::int32_t>(end + 1));
  }
  const PairBatch mine = whole.slice(first, first + rows[rank]);
  ClipModel model(tiny(), at::kDouble);
  model.initialise("clip_hpc", 5);
  model.recompute_blocks(recompute);
  GradReducer reducer(comm, model.arena(), 0.02);
  const std::vector<WeightedTerm> terms{{&loss_term("softmax"), 1.0}};
  const auto loss_of = [&](const Encoded& encoded, const Scales& scales) {
    return partial_loss(comm, terms, encoded, scales, {rows, comm.rank()}, {.columns = micro_batch > 0 ? 3 : 0});
  };
  if (micro_batch > 0) {
    const at::Tensor loss = backward_in_micro_batches(model, reducer, mine, micro_batch, loss_of);
    return {loss.item<double>(), model.arena().gradients().clone()};
  }
  const at::Tensor loss = loss_of(encode(model, mine), scales_of(model));
  reducer.start();
  loss.backward();
  reducer.finish();
  return {loss.item<double>(), model.arena().gradients().clone()};
}

TEST(MicroBatches, AnySizeGivesTheGradientOfTheBatch) {
  const auto comm = make_communicator(test_world(), {});
  const std::vector<std::int64_t> all{5, 1, 7, 4};
  const std::vector<std::int64_t> rows(all.begin(), all.begin() + comm->size());
  const Outcome expected = step(*comm, rows, 0, false);
  EXPECT_GT(expected.gradients.abs().max().item<double>(), 1e-3);
  for (const std::int64_t micro_batch : {1, 2, 3, 5, 100}) {
    const Outcome found = step(*comm, rows, micro_batch, micro_batch == 2);
    EXPECT_NEAR(found.loss, expected.loss, 1e-12) << micro_batch;
    EXPECT_LT((found.gradients - expected.gradients).abs().max().item<double>(), 1e-12) << micro_batch;
    const Outcome packed = step(*comm, rows, micro_batch, false, true);
    EXPECT_NEAR(packed.loss, expected.loss, 1e-12) << micro_batch;
    EXPECT_LT((packed.gradients - expected.gradients).abs().max().item<double>(), 1e-12) << micro_batch;
  }
}

}  // namespace
}  // namespace clip_hpc
