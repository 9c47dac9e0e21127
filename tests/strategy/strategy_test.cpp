#include "clip_hpc/strategy/strategy.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

TEST(Strategy, FlipKeepsTheFloorOfThePatches) {
  StrategyOptions options;
  options.name = "flip";
  const Strategy flip = make_strategy(options);
  ASSERT_EQ(flip.phases.size(), 1U);
  EXPECT_EQ(flip.phases[0].kept_patches(49), 24);  // FLIP's int(L (1 - r)) for B/32
  EXPECT_EQ(flip.phases[0].kept_patches(1), 1);
  EXPECT_EQ(make_strategy({}).phases[0].kept_patches(49), 49);
}

TEST(Strategy, FlipEndsWithWholeImages) {
  const Strategy flip = make_strategy({.name = "flip", .unmasked = 0.25, .unmasked_lr = 1e-5, .text_tokens = 8});
  ASSERT_EQ(flip.phases.size(), 2U);
  EXPECT_EQ(flip.phases[0].kept_patches(49), 24);
  EXPECT_EQ(flip.phases[0].text_tokens, 8);
  EXPECT_EQ(flip.phases[1].kept_patches(49), 49);
  EXPECT_EQ(flip.phases[1].text_tokens, 0);
  EXPECT_EQ(flip.phases[1].lr, 1e-5);
  test::expect_error(ErrorKind::input, {"strategy.unmasked", "strategy.name = flip, strategy.image_size"},
                     [] { make_strategy({.name = "clip", .unmasked = 0.1}); });
  // Of a flip that drops nothing, too.
  EXPECT_THROW(make_strategy({.name = "flip", .mask_ratio = 0, .unmasked = 0.1}), Error);
}

TEST(Strategy, SmallImagesAreAPhaseOfAnyStrategy) {
  const Strategy slip =
      make_strategy({.name = "slip", .unmasked = 0.1, .image_size = 112, .text_tokens = 16, .ssl_view = "crop_flip"});
  ASSERT_EQ(slip.phases.size(), 2U);
  EXPECT_EQ(slip.phases[0].image_size, 112);
  EXPECT_EQ(slip.phases[0].text_tokens, 16);
  EXPECT_EQ(slip.phases[1].image_size, 0);
  EXPECT_FALSE(slip.phases[1].lr.has_value());
  EXPECT_EQ(make_strategy({.image_size = 112}).phases.size(), 1U);
}

TEST(Strategy, IsAValue) {
  StrategyOptions options;
  options.name = "clip_aug";
  options.augmentation = "crop_flip";
  const Strategy strategy = make_strategy(options);
  EXPECT_EQ(strategy.views, std::vector<std::string>{"crop_flip"});
  ASSERT_EQ(strategy.terms.size(), 1U);
  EXPECT_STREQ(strategy.terms[0].term->name, "softmax");
  EXPECT_EQ(strategy.terms[0].weight, 1.0);
}

TEST(Strategy, AnUnknownNameIsToldTheNearest) {
  test::expect_error(ErrorKind::input, {"unknown strategy \"flop\"", "\"flip\""},
                     [] { make_strategy({.name = "flop"}); });
  test::expect_error(ErrorKind::input, {"strategy.partial_gradient", "softmax", "sigmoid"},
                     [] { make_strategy({.loss = "sigmoid", .partial_gradient = true}); });
  test::expect_error(ErrorKind::input, {"unknown loss \"softmux\"", "\"softmax\""},
                     [] { make_strategy({.loss = "softmux"}); });
}

TEST(Strategy, AugmentationWithoutOneIsRefused) {
  StrategyOptions options;
  options.name = "clip_aug";
  EXPECT_THROW(make_strategy(options), Error);
}

// The numbers of RandAugment go to the views that have one, and are refused before data is read.
TEST(Strategy, ChoicesOfAnAugmentationAreChecked) {
  const Strategy strategy = make_strategy(
      {.name = "clip_aug", .augmentation = "rand", .augment_ops = 3, .augment_magnitude = 5, .augment_mended = true});
  EXPECT_EQ(strategy.views, std::vector<std::string>{"rand"});
  EXPECT_EQ(strategy.augment.operations, 3);
  EXPECT_EQ(strategy.augment.magnitude, 5);
  EXPECT_TRUE(strategy.augment.mended);
  const Strategy slip =
      make_strategy({.name = "slip", .augmentation = "crop_half", .augment_ops = 3, .ssl_view = "rand"});
  EXPECT_EQ(slip.views, (std::vector<std::string>{"crop_half", "rand", "rand"}));
  EXPECT_EQ(parse_views(slip.views, 224, slip.augment).back().steps.front().operations, 3);
  test::expect_error(ErrorKind::input, {"strategy.augment_magnitude = 12", "rand", "0 to 10"},
                     [] { make_strategy({.augmentation = "rand", .augment_magnitude = 12}); });
  test::expect_error(ErrorKind::input, {"resize", "strategy.augment_ops"}, [] { make_strategy({.augment_ops = 2}); });
}

ModelConfig named(const std::string& name) {
  ModelConfig model;
  model.name = name;
  return model;
}

TEST(InitialScales, ComeFromTheLossUnlessTheModelNamesItsOwn) {
  const Strategy softmax = make_strategy({}), sigmoid = make_strategy({.loss = "sigmoid"});
  EXPECT_FALSE(as_trained_by(softmax, named("plain")).init_logit_bias.has_value());
  const ModelConfig begun = as_trained_by(sigmoid, named("plain"));
  EXPECT_EQ(begun.init_logit_bias, -10.0);
  EXPECT_DOUBLE_EQ(begun.init_logit_scale, std::log(10.0));
  ModelConfig own = named("own");
  own.init_logit_bias = -3;
  own.init_logit_scale = 1;
  EXPECT_EQ(as_trained_by(sigmoid, own).init_logit_bias, -3.0);
  EXPECT_EQ(as_trained_by(sigmoid, own).init_logit_scale, 1.0);
  test::expect_error(ErrorKind::input, {"model own", "init_logit_bias", "strategy.loss = sigmoid"},
                     [&] { as_trained_by(softmax, own); });
}

TEST(KeptPatches, AreDistinctAscendingAndFunctionOfTheRow) {
  std::vector<std::uint64_t> rows(500);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = 1000 + i;
  const at::Tensor kept = draw_kept_patches(7, rows, 49, 24);
  EXPECT_TRUE((kept.slice(1, 1) > kept.slice(1, 0, 23)).all().item<bool>());
  EXPECT_GE(kept.min().item<std::int64_t>(), 0);
  EXPECT_LT(kept.max().item<std::int64_t>(), 49);
  const at::Tensor part = draw_kept_patches(7, std::span(rows).subspan(100, 10), 49, 24);
  EXPECT_TRUE(at::equal(part, kept.slice(0, 100, 110)));
  EXPECT_FALSE(at::equal(kept, draw_kept_patches(8, rows, 49, 24)));
}

TEST(KeptPatches, EveryPatchIsKeptEquallyOften) {
  std::vector<std::uint64_t> rows(4000);
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = i;
  const at::Tensor counts = at::bincount(draw_kept_patches(1, rows, 16, 8).flatten(), {}, 16).to(at::kDouble);
  EXPECT_LT((counts - 2000).abs().max().item<double>(), 5 * std::sqrt(4000 * 0.25));
}

}  // namespace
}  // namespace clip_hpc
