// SLIP: the gradient of three views, the head with BatchNorm and both terms is that of the whole batch, on any number
// of ranks with unequal rows, in micro-batches and in blocks of columns; runs with it stop, resume and are read without
// it.
#include <gtest/gtest.h>

#include <numeric>

#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "clip_hpc/train/micro_batches.hpp"
#include "tests/expect_error.hpp"
#include "tests/model/tiny_model.hpp"
#include "tests/train/whole_run.hpp"

namespace clip_hpc {
namespace {

constexpr HeadSize kHead{24, 10};

struct Outcome {
  double loss;  // of all ranks' rows
  at::Tensor gradients, running_mean;
};

PairBatch batch_of(std::int64_t rows) {
  PairBatch whole{
      at::arange(3 * rows * 3 * 256, at::kLong).mul(37).remainder(251).to(at::kByte).view({3, rows, 3, 16, 16}),
      at::arange(rows * 8, at::kLong).mul(7).remainder(48).view({rows, 8}),
      std::nullopt,
      {}};
  for (std::int64_t row = 0; row < rows; ++row) whole.ids[row][1 + row % 7] = 49;
  return whole;
}

// In double precision, so that what is left of a difference is a mistake.
Outcome step(Communicator& comm, const std::vector<std::int64_t>& rows, std::int64_t micro_batch,
             std::int64_t columns) {
  const auto rank = static_cast<std::size_t>(comm.rank());
  const std::int64_t first = std::accumulate(rows.begin(), rows.begin() + comm.rank(), std::int64_t{0});
  const PairBatch mine =
      batch_of(std::accumulate(rows.begin(), rows.end(), std::int64_t{0})).slice(first, first + rows[rank]);
  ModelConfig config = test::two_small_towers(16, 8);
  config.head = kHead;
  ClipModel model(config, at::kDouble);
  model.initialise("clip_hpc", 5);
  model.take_statistics_over(comm);
  GradReducer reducer(comm, model.arena(), 0.02);
  const std::vector<WeightedTerm> terms{{&loss_term("softmax"), 1.0}, {&loss_term("ntxent"), 0.7}};
  const auto loss_of = [&](const Encoded& encoded, const Scales& scales) {
    return partial_loss(comm, terms, project_views(model, encoded), scales, {rows, comm.rank()}, {.columns = columns});
  };
  at::Tensor loss;
  if (micro_batch > 0) {
    loss = backward_in_micro_batches(model, reducer, mine, micro_batch, loss_of);
  } else {
    loss = loss_of(encode(model, mine), scales_of(model));
    reducer.start();
    loss.backward();
    reducer.finish();
  }
  const at::Tensor sum = loss.detach().clone();
  comm.all_reduce(sum, ReduceOp::sum);
  return {sum.item<double>(), model.arena().gradients().clone(), model.arena().buffer(0).clone()};
}

TEST(Slip, TheGradientIsThatOfTheWholeBatch) {
  const auto comm = make_communicator(test_world(), {}), alone = make_self_communicator();
  const std::vector<std::int64_t> all{5, 1, 7, 4};
  const std::vector<std::int64_t> rows(all.begin(), all.begin() + comm->size());
  const Outcome expected = step(*alone, {std::accumulate(rows.begin(), rows.end(), std::int64_t{0})}, 0, 0);
  EXPECT_GT(expected.gradients.abs().max().item<double>(), 1e-3);
  for (const std::int64_t micro_batch : {0, 1, 3}) {
    for (const std::int64_t columns : {0, 3}) {
      const Outcome found = step(*comm, rows, micro_batch, columns);
      EXPECT_NEAR(found.loss, expected.loss, 1e-10) << micro_batch << ", " << columns;
      EXPECT_LT((found.gradients - expected.gradients).abs().max().item<double>(), 1e-9) << micro_batch;
      EXPECT_TRUE(at::allclose(found.running_mean, expected.running_mean, 1e-5, 1e-7)) << micro_batch;
    }
  }
}

class TrainSlip : public TrainLoop {
 protected:
  TrainRequest slip(const std::string& name) const {
    TrainRequest request = this->request(name);
    request.config.strategy = {.name = "slip", .augmentation = "none", .ssl_view = "crop_flip"};
    request.config.strategy.ssl_hidden = 24;
    request.config.strategy.ssl_width = 10;
    return request;
  }
};

TEST_F(TrainSlip, StopsResumesAndIsReadWithoutItsHead) {
  const TrainRequest whole = slip("whole");
  EXPECT_EQ(run(whole), kExitDone);
  for (const bool shared : {false, true}) {
    TrainRequest parts = slip(shared ? "parts_shared" : "parts");
    parts.config.comm.shard_optimizer = shared;
    parts.config.train.samples = whole.config.train.samples / 2;
    parts.config.optim.schedule = "constant";
    EXPECT_EQ(run(parts), kExitDone);
    parts.config.train.samples = whole.config.train.samples;
    EXPECT_EQ(run(parts), kExitDone);
    const State state = state_at(parts, kSteps);
    for (const auto& [name, tensor] : state.weights) EXPECT_EQ(name.find("image_mlp"), std::string::npos) << name;
    EXPECT_EQ(buffer(state, "image_mlp.bn1.running_mean").numel(), 24);
    EXPECT_GT(buffer(state, "image_mlp.bn1.running_mean").abs().max().item<float>(), 0.0F);
  }
  const LoadedModel loaded = load_model(whole.folder.path);
  EXPECT_FALSE(loaded.model->head().has_value());
  // The second term is there: plain CLIP on the same batches has another loss.
  TrainRequest plain = slip("plain");
  plain.config.strategy.name = "clip";
  EXPECT_EQ(run(plain), kExitDone);
  EXPECT_GT(losses(whole)[0], losses(plain)[0] + 0.5);
}

TEST_F(TrainSlip, WhatItCannotDoIsRefused) {
  TrainRequest lonely = slip("lonely");
  lonely.config.train.global_batch = 1;
  if (test_world().size() == 1) {
    test::expect_error(ErrorKind::input, {"train.global_batch", "2 or more"}, [&] { train(test_world(), lonely); });
  }
  TrainRequest frozen = slip("frozen");
  frozen.config.model.init = slip("whole").folder.path.string();
  frozen.config.model.freeze = "image";
  test::expect_error(ErrorKind::input, {"slip", "model.freeze"}, [&] { train(test_world(), frozen); });
}

}  // namespace
}  // namespace clip_hpc
