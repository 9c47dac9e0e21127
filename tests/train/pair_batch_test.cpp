// The one list of a batch's tensors serves slicing, the way to the device and graphs alike.
#include "clip_hpc/train/pair_batch.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/loss/terms/softmax.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

PairBatch two_views() {
  return {at::arange(2 * 5 * 3 * 4, at::kLong).to(at::kByte).view({2, 5, 3, 2, 2}),
          at::arange(5 * 4, at::kLong).view({5, 4}),
          at::arange(5 * 2, at::kLong).view({5, 2}),
          {1, 2, 3, 4, 2},
          at::arange(5 * 6, at::kFloat).view({5, 6})};
}

TEST(PairBatch, ASliceCutsEveryTensorByRows) {
  const PairBatch whole = two_views(), part = whole.slice(1, 4);
  EXPECT_EQ(part.rows(), 3);
  EXPECT_TRUE(at::equal(part.images, whole.images.slice(1, 1, 4)));  // both views
  EXPECT_TRUE(at::equal(part.ids, whole.ids.slice(0, 1, 4)));
  EXPECT_TRUE(at::equal(*part.kept, whole.kept->slice(0, 1, 4)));
  EXPECT_TRUE(at::equal(part.branch_scales, whole.branch_scales.slice(0, 1, 4)));
  EXPECT_EQ(part.lengths, (std::vector<std::int32_t>{2, 3, 4}));
}

TEST(PairBatch, ListsEachTensorOnce) {
  PairBatch batch = two_views();
  EXPECT_EQ(batch.tensors().size(), 4U);
  batch.kept.reset();
  batch.branch_scales.reset();
  EXPECT_EQ(batch.tensors().size(), 2U);
  EXPECT_FALSE(batch.slice(0, 1).kept.has_value());
}

TEST(PairBatch, TokensAreThoseThatTheTowerComputes) {
  PairBatch batch = two_views();
  EXPECT_DOUBLE_EQ(tokens_of(batch), 2.4);
  batch.lengths.clear();
  EXPECT_DOUBLE_EQ(tokens_of(batch), 4);
}

// The loss of a step in bfloat16 has the scale's own value: at 100, bfloat16 would make 98.86 of it, a percent.
TEST(PairBatch, TheLossOfAStepInBf16HasTheScaleOfFp32) {
  ModelConfig config = parse_model_config(Json::parse(test::kTinyModel), "tiny");
  config.init_logit_scale = std::log(100.0);
  ClipModel model(config, at::kBFloat16);
  model.initialise("clip_hpc", 4);
  constexpr std::int64_t kRows = 6;
  const at::Tensor noise = at::arange(kRows * 3 * 32 * 32, at::kDouble).mul(0.7).sin().add(1).mul(120).to(at::kByte);
  const PairBatch batch{noise.view({1, kRows, 3, 32, 32}), at::arange(kRows * 12, at::kLong).view({kRows, 12}), {}, {}};
  const Encoded rows = encode(model, batch);
  const auto alone = make_self_communicator();
  const double loss = softmax_term().partial(*alone, rows, scales_of(model), {{kRows}, 0}, {}).item<double>();

  const at::Tensor logits = 100.0 * rows.image.to(at::kDouble).mm(rows.text.to(at::kDouble).t());
  const at::Tensor both = logits.logsumexp(1) + logits.logsumexp(0) - 2 * logits.diagonal();
  const double expected = both.mean().item<double>() / 2;
  EXPECT_GT(expected, 1.0);  // a percent of it is far above the bound
  EXPECT_NEAR(loss, expected, 1e-4 * expected);
}

}  // namespace
}  // namespace clip_hpc
