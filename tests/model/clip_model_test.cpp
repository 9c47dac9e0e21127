#include "clip_hpc/model/clip_model.hpp"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "tests/logged.hpp"
#include "tests/model/tiny_model.hpp"

namespace clip_hpc {
namespace {

ModelConfig tiny() { return test::two_small_towers(32, 12); }

at::Tensor pixels(std::int64_t batch) {
  return at::linspace(-1, 1, batch * 3 * 32 * 32, at::kFloat).sin().view({batch, 3, 32, 32});
}

at::Tensor captions() {  // end token 49 at positions 3 and 5
  return at::tensor({48, 1, 2, 49, 0, 0, 0, 48, 7, 8, 9, 10, 49, 0}, at::kLong).view({2, 7});
}

TEST(ClipModel, SizesOfViTB32AreOpenClips) {
  const std::string source = std::getenv("CLIP_HPC_SOURCE_DIR");
  const ClipModel model(read_model_config(source + "/configs/models/ViT-B-32.json"), at::kFloat);
  EXPECT_EQ(model.arena().specs().size(), 302U);
  EXPECT_EQ(model.arena().numel(), 151277313);
}

// optim.decay_positions is about these, and no others.
TEST(ClipModel, PositionEmbeddingsOfBothTowersAreMarked) {
  const std::string source = std::getenv("CLIP_HPC_SOURCE_DIR");
  const ClipModel model(read_model_config(source + "/configs/models/ViT-B-32.json"));
  std::vector<std::string> marked;
  for (const ParameterSpec& spec : model.arena().specs()) {
    if (spec.position) marked.push_back(spec.name);
  }
  EXPECT_EQ(marked, (std::vector<std::string>{"positional_embedding", "visual.positional_embedding"}));
}

TEST(ClipModel, KeepingAllPatchesInAnyOrderChangesNothing) {
  ClipModel model(tiny(), at::kFloat);
  model.initialise("clip_hpc", 1);
  const at::Tensor full = model.encode_image(pixels(3));
  const at::Tensor order = at::arange(15, -1, -1, at::kLong).unsqueeze(0).repeat({3, 1});
  EXPECT_TRUE(at::allclose(full, model.encode_image(pixels(3), order), 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(full, model.encode_image(pixels(3), order.slice(1, 0, 8)), 1e-4, 1e-5));
}

TEST(ClipModel, TokensAfterTheEndChangeNothingUnderACausalMask) {
  ClipModel model(tiny(), at::kFloat);
  model.initialise("open_clip", 1);
  const at::Tensor ids = captions();
  const at::Tensor longer = at::cat({ids, at::full({2, 5}, 3, at::kLong)}, 1);
  EXPECT_TRUE(at::allclose(model.encode_text(ids), model.encode_text(longer), 1e-5, 1e-6));
  EXPECT_THROW(model.encode_text(at::cat({longer, longer}, 1)), Error);
}

// Features and gradients of packed captions are those of padded ones, in double precision to rounding.
TEST(ClipModel, PackedCaptionsGiveTheSameFeaturesAndGradients) {
  const at::Tensor ids = at::arange(6 * 12, at::kLong).mul(7).remainder(48).view({6, 12});
  const std::vector<std::int32_t> lengths{4, 12, 1, 5, 4, 9};
  for (std::size_t row = 0; row < lengths.size(); ++row) ids[static_cast<std::int64_t>(row)][lengths[row] - 1] = 49;
  const at::Tensor pull = at::arange(6 * 16, at::kDouble).view({6, 16}).sin();
  for (const std::int64_t multiple_of : {1, 4, 5, 64}) {
    for (const bool again : {false, true}) {
      std::vector<at::Tensor> features, gradients;
      for (const bool packs : {false, true}) {
        ClipModel model(tiny(), at::kDouble);
        model.initialise("clip_hpc", 3);
        model.recompute_blocks(again);
        const PackedCaptions packed = pack_captions(ids, lengths, multiple_of);
        features.push_back(packs ? model.encode_text(packed) : model.encode_text(ids));
        (features.back() * pull).sum().backward();
        gradients.push_back(model.arena().gradients().clone());
      }
      EXPECT_GT(gradients[0].abs().max().item<double>(), 1e-2);
      EXPECT_LT((features[0] - features[1]).abs().max().item<double>(), 1e-12) << multiple_of;
      EXPECT_LT((gradients[0] - gradients[1]).abs().max().item<double>(), 1e-12) << multiple_of;
    }
  }
}

TEST(PackedCaptions, ComputeNoMoreThanTheirLengths) {
  const at::Tensor ids = at::arange(4 * 10, at::kLong).view({4, 10});
  const std::vector<std::int32_t> lengths{3, 10, 4, 1};
  const PackedCaptions exact = pack_captions(ids, lengths, 1);
  EXPECT_EQ(exact.total(), 18);
  EXPECT_EQ(exact.groups.size(), 4U);
  EXPECT_TRUE(at::equal(exact.ids.index_select(0, exact.ends), at::tensor({2, 19, 23, 30}, at::kLong)));
  const PackedCaptions fours = pack_captions(ids, lengths, 4);
  EXPECT_EQ(fours.total(), 4 + 10 + 4 + 4);
  ASSERT_EQ(fours.groups.size(), 2U);
  EXPECT_EQ(fours.groups[0].count, 3);
  EXPECT_EQ(fours.groups[1].tokens, 10);
  EXPECT_THROW(pack_captions(ids, std::vector<std::int32_t>{1, 2}, 1), Error);
}

TEST(ClipModel, BlocksThatAreComputedAgainGiveTheSameBits) {
  std::vector<at::Tensor> gradients;
  for (const bool again : {false, true}) {
    ClipModel model(tiny(), at::kFloat);
    model.initialise("clip_hpc", 2);
    model.recompute_blocks(again);
    const void* const where = model.arena().parameter(3).grad().data_ptr();
    const at::Tensor image = normalise_features(model.encode_image(pixels(2)));
    const at::Tensor text = normalise_features(model.encode_text(captions()));
    (model.logit_scale().exp() * (image * text).sum(-1)).sum().backward();
    EXPECT_EQ(model.arena().parameter(3).grad().data_ptr(), where);  // still inside the arena
    gradients.push_back(model.arena().gradients().clone());
  }
  EXPECT_GT(gradients[0].abs().max().item<float>(), 1e-3F);
  EXPECT_TRUE(at::equal(gradients[0], gradients[1]));
}

TEST(ClipModel, GradientsLandInTheArenaAndMatchFiniteDifferences) {
  ClipModel model(tiny(), at::kFloat);
  model.initialise("clip_hpc", 2);
  ParameterArena& arena = model.arena();
  const auto loss = [&] {
    const at::Tensor image = normalise_features(model.encode_image(pixels(2)));
    const at::Tensor text = normalise_features(model.encode_text(captions()));
    return (model.logit_scale().exp() * (image * text).sum(-1)).sum();
  };
  arena.zero_gradients();
  loss().backward();
  EXPECT_EQ(arena.parameter(0).grad().data_ptr(), arena.gradient_view(0).data_ptr());
  const at::Tensor direction = arena.gradients() / arena.gradients().norm();
  const at::Tensor start = arena.master().clone();
  const double slope = arena.gradients().norm().item<double>();
  const double h = 1e-3;
  const at::NoGradGuard no_grad;
  arena.master().copy_(start + h * direction);
  const double above = loss().item<double>();
  arena.master().copy_(start - h * direction);
  const double below = loss().item<double>();
  EXPECT_NEAR((above - below) / (2 * h), slope, 0.02 * slope);
}

TEST(ClipModel, InitialisationDependsOnSeedAndNameAlone) {
  ClipModel a(tiny(), at::kFloat), b(tiny(), at::kFloat), c(tiny(), at::kFloat);
  a.initialise("open_clip", 1);
  b.initialise("open_clip", 1);
  c.initialise("open_clip", 2);
  EXPECT_TRUE(at::equal(a.arena().master(), b.arena().master()));
  EXPECT_FALSE(at::equal(a.arena().master(), c.arena().master()));
}

TEST(ClipModel, LowPrecisionWeightsFollowTheMaster) {
  ClipModel model(tiny(), at::kBFloat16);
  model.initialise("open_clip", 1);
  EXPECT_EQ(model.arena().weights().scalar_type(), at::kBFloat16);
  const at::Tensor low = model.encode_image(pixels(2).to(at::kBFloat16)).to(at::kFloat);
  ClipModel exact(tiny(), at::kFloat);
  exact.initialise("open_clip", 1);
  EXPECT_LT((low - exact.encode_image(pixels(2))).norm().item<double>(), 0.05 * low.norm().item<double>());
}

TEST(ModelConfig, UnknownAndBadKeysAreRefused) {
  const auto parse = [](const char* text) { return parse_model_config(Json::parse(text), "bad"); };
  EXPECT_THROW(parse(R"({"embed_dim": 8})"), Error);
  EXPECT_THROW(parse(R"({"embed_dim": 8, "vision_cfg": {"patchsize": 3}, "text_cfg": {}})"), Error);
  EXPECT_THROW(parse(R"({"vision_cfg": {"image_size": 30, "patch_size": 8}, "text_cfg": {}})"), Error);
}

TEST(ModelConfig, MacsOfThePapersB32Pair) {  // paper's axis: 5.8 G with a text tower of width 768 and 16 tokens
  const ModelConfig config = parse_model_config(
      Json::parse(R"({"embed_dim": 768, "vision_cfg": {}, "text_cfg": {"width": 768, "heads": 12}})"), "b32");
  EXPECT_NEAR(ClipModel(config).forward_macs(49, 16) / 1e9, 5.79, 0.06);
}

TEST(ModelConfig, KeepsAllKeysOfItsTowers) {
  const ModelConfig config = tiny();
  EXPECT_EQ(config.vision.at("mlp_ratio"), 4.0);
  EXPECT_EQ(config.text.at("pool_type"), "argmax");
  EXPECT_EQ(to_json(parse_model_config(to_json(config), "tiny")).dump(), to_json(config).dump());
}

// A scale of 100 gives logits of 100 times the cosine, in bfloat16 models too, and a gradient that reaches the leaf.
TEST(ClipModel, TheLogitScaleAndBiasAreFp32InEveryPrecision) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    ModelConfig config = tiny();
    config.init_logit_scale = std::log(100.0);
    config.init_logit_bias = -12.93;
    ClipModel model(config, type);
    model.initialise("clip_hpc", 4);
    EXPECT_EQ(model.logit_scale().scalar_type(), at::kFloat);
    const at::Tensor cosines = at::linspace(-1, 1, 9, at::kFloat);
    const at::Tensor logits = model.logit_scale().exp() * cosines + model.logit_bias();
    const at::Tensor expected = (100.0 * cosines.to(at::kDouble) - 12.93).to(at::kFloat);
    EXPECT_LT((logits - expected).abs().max().item<double>(), 2e-5) << type;

    const std::size_t index = model.logit_scale_index();
    model.arena().zero_gradients();
    (model.logit_scale().exp() * 0.25 + 3 * model.logit_bias()).backward();
    EXPECT_NEAR(model.arena().gradient_view(index).item<double>(), 25.0, 0.1) << type;  // d exp(s) / 4 = 100 / 4
    EXPECT_NEAR(model.arena().gradient_view(index + 1).item<double>(), 3.0, 1e-6) << type;

    // Steps that bfloat16 could not see.
    const double before = model.logit_scale().item<double>();
    model.arena().master_view(index).add_(-1e-4);
    model.arena().refresh_weights();
    EXPECT_NEAR(model.logit_scale().item<double>(), before - 1e-4, 1e-6) << type;
  }
}

TEST(ClipModel, AnInitialScaleOutsideItsLimitsIsKeptWithin) {
  ModelConfig config = tiny();
  config.init_logit_scale = 88;
  ClipModel model(config, at::kFloat);
  const std::string log = test::logged(0, [&] { model.initialise("open_clip", 1); });
  EXPECT_NE(log.find("logit_scale would begin at 88: it is kept within 0 to 4.60517"), std::string::npos) << log;
  EXPECT_NEAR(model.logit_scale().exp().item<double>(), 100.0, 1e-3);
}

TEST(ClipModel, TheLogitScaleIsLimited) {
  const ClipModel model(tiny());
  ASSERT_EQ(model.arena().limited().size(), 1U);
  EXPECT_EQ(model.arena().limited()[0].offset, model.arena().specs()[model.logit_scale_index()].offset);
  EXPECT_EQ(static_cast<float>(model.arena().limited()[0].high), 4.60517019F);
}

}  // namespace
}  // namespace clip_hpc
