#include "clip_hpc/checkpoint/start_weights.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/text/lower_case.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/logged.hpp"
#include "tests/model/tiny_model.hpp"

namespace clip_hpc {
namespace {

using test::expect_error;

struct Source {
  ClipModel model;
  explicit Source(const ModelConfig& config) : model(config, at::kFloat) { model.initialise("open_clip", 9); }
  NamedTensors weights() const { return named_weights(model); }
};

NamedTensors without(NamedTensors weights, const std::string& beginning) {
  std::erase_if(weights, [&](const auto& one) { return one.first.starts_with(beginning); });
  return weights;
}

bool is_equal(const ClipModel& a, const ClipModel& b, const std::string& name) {
  const auto value = [&](const ClipModel& model) {
    const auto& specs = model.arena().specs();
    const auto found = std::ranges::find(specs, name, &ParameterSpec::name);
    return model.arena().master_view(static_cast<std::size_t>(found - specs.begin()));
  };
  return at::equal(value(a), value(b));
}

TEST(StartWeights, OneTowerIsTakenAndTheOtherLeftAlone) {
  const Source source(test::two_small_towers(32, 12));
  ClipModel model(test::two_small_towers(32, 12), at::kFloat);
  model.initialise("open_clip", 1);
  const StartReport report = take_tower(model, source.weights(), /*image=*/true, "there");
  EXPECT_TRUE(is_equal(model, source.model, "visual.transformer.resblocks.1.mlp.c_fc.weight"));
  EXPECT_TRUE(is_equal(model, source.model, "visual.proj"));
  EXPECT_FALSE(is_equal(model, source.model, "token_embedding.weight"));
  EXPECT_TRUE(report.resized.empty() && report.fresh.empty() && report.ignored.empty());
  const auto& specs = model.arena().specs();
  EXPECT_EQ(std::ssize(report.loaded),
            std::ranges::count_if(specs, [](const auto& one) { return one.name.starts_with("visual."); }));
}

// A grid of another size is resampled; what is the same everywhere stays the same.
TEST(StartWeights, PositionsOfAnotherSizeAreResampled) {
  Source source(test::two_small_towers(32, 12));  // 4 x 4 patches
  NamedTensors weights = source.weights();
  for (auto& [name, tensor] : weights) {
    if (name != "visual.positional_embedding") continue;
    tensor.slice(0, 1).fill_(0.25);
    tensor.select(0, 0).fill_(7);
  }
  ClipModel model(test::two_small_towers(64, 12), at::kFloat);  // 8 x 8
  model.initialise("open_clip", 1);
  const StartReport report = take_tower(model, weights, true, "there");
  EXPECT_EQ(report.resized, (std::vector<std::string>{"visual.positional_embedding"}));
  const auto& specs = model.arena().specs();
  const auto found = std::ranges::find(specs, "visual.positional_embedding", &ParameterSpec::name);
  const at::Tensor positions = model.arena().master_view(static_cast<std::size_t>(found - specs.begin()));
  ASSERT_EQ(positions.size(0), 65);
  EXPECT_TRUE(positions[0].eq(7).all().item<bool>());
  EXPECT_TRUE(at::allclose(positions.slice(0, 1), at::full({64, 32}, 0.25), 0, 1e-6));
}

TEST(StartWeights, ProjectionsOfAnotherSizeBeginAnew) {
  const Source source(test::two_small_towers(32, 12));
  ModelConfig wider = test::two_small_towers(32, 12);
  wider.embed_dim = 40;
  ClipModel model(wider, at::kFloat);
  model.initialise("open_clip", 1);
  NamedTensors more = source.weights();
  more.emplace_back("visual.head.fc.weight", at::zeros({3, 3}));
  const StartReport report = take_tower(model, more, true, "there");
  EXPECT_EQ(report.fresh, (std::vector<std::string>{"visual.proj"}));
  EXPECT_EQ(report.ignored, (std::vector<std::string>{"visual.head.fc.weight"}));
  EXPECT_EQ(take_tower(model, without(source.weights(), "text_projection"), false, "there").fresh,
            (std::vector<std::string>{"text_projection"}));
}

TEST(StartWeights, AFrozenProjectionIsNotLeftRandom) {
  const Source source(test::two_small_towers(32, 12));
  ModelConfig wider = test::two_small_towers(32, 12);
  wider.embed_dim = 40;
  ClipModel frozen(wider, at::kFloat, at::kCPU, {}, {.image = true});
  test::expect_error(ErrorKind::input, {"there", "visual.proj", "model.unlocked_groups = 1"},
                     [&] { take_tower(frozen, source.weights(), true, "there"); });
  ClipModel unlocked(wider, at::kFloat, at::kCPU, {}, {.image = true, .unlocked_groups = 1});
  unlocked.initialise("open_clip", 1);
  EXPECT_EQ(take_tower(unlocked, source.weights(), true, "there").fresh, (std::vector<std::string>{"visual.proj"}));
}

TEST(StartWeights, HalfATowerIsRefused) {
  const Source source(test::two_small_towers(32, 12));
  ClipModel model(test::two_small_towers(32, 12), at::kFloat);
  expect_error(ErrorKind::input, {"there", "lacks tensors of the image tower", "resblocks.1.ln_1.weight"},
               [&] { take_tower(model, without(source.weights(), "visual.transformer.resblocks.1."), true, "there"); });
  expect_error(ErrorKind::input, {"lacks tensors of the text tower"},
               [&] { take_tower(model, without(source.weights(), "ln_final"), false, "there"); });
  NamedTensors broken = source.weights();
  for (auto& [name, tensor] : broken) {
    if (name == "visual.conv1.weight") tensor = tensor.slice(0, 0, 16);
  }
  expect_error(ErrorKind::input, {"visual.conv1.weight", "[16, 3, 8, 8]", "[32, 3, 8, 8]"},
               [&] { take_tower(model, broken, true, "there"); });
  ClipModel longer(test::two_small_towers(32, 20), at::kFloat);
  expect_error(ErrorKind::input, {"there", "positional_embedding", "reads 12 tokens", "context_length = 12"},
               [&] { take_tower(longer, source.weights(), false, "there"); });
  broken = source.weights();
  broken[3].second = broken[3].second * std::nan("");
  expect_error(ErrorKind::input, {"NaN"}, [&] { take_tower(model, broken, false, "there"); });
}

class StartFromFiles : public testing::Test {
 protected:
  StartFromFiles() : source_(test::two_small_towers(32, 12)), model_(test::two_small_towers(32, 12), at::kFloat) {
    model_.initialise("open_clip", 1);
    write_safetensors(folder_ / "both.safetensors", source_.weights());
  }
  test::TempFolder folder_;
  Source source_;
  ClipModel model_;
};

TEST_F(StartFromFiles, ABareFileIsTakenAndTheUnknownIsSaid) {
  const std::string log =
      test::logged(0, [&] { start_from_weights(model_, {.both = folder_ / "both.safetensors"}, ""); });
  EXPECT_TRUE(is_equal(model_, source_.model, "visual.proj") && is_equal(model_, source_.model, "ln_final.bias"));
  EXPECT_NE(log.find("does not say what model its weights are of"), std::string::npos) << log;
  EXPECT_NE(log.find("image tower from"), std::string::npos) << log;
  EXPECT_NE(log.find("logit_scale begins at 2.6593"), std::string::npos) << log;
}

TEST_F(StartFromFiles, AScaleThatIsNoNumberIsRefused) {
  const auto with_scale = [&](const at::Tensor& scale) {
    NamedTensors weights = source_.weights();
    for (auto& [name, tensor] : weights) {
      if (name == "logit_scale") tensor = scale;
    }
    write_safetensors(folder_ / "both.safetensors", weights);
    start_from_weights(model_, {.both = folder_ / "both.safetensors"}, "");
  };
  expect_error(ErrorKind::input, {"both.safetensors", "logit_scale", "NaN"},
               [&] { with_scale(at::full({}, std::nan(""))); });
  expect_error(ErrorKind::input, {"both.safetensors", "logit_scale", "whole numbers"},
               [&] { with_scale(at::full({1}, 4, at::kLong)); });
}

TEST_F(StartFromFiles, AnotherActivationIsRefused) {
  std::filesystem::create_directory(folder_ / "quick");
  std::filesystem::rename(folder_ / "both.safetensors", folder_ / "quick/open_clip_model.safetensors");
  ModelConfig quick = test::two_small_towers(32, 12);
  quick.quick_gelu = true;
  write_json_file(folder_ / "quick/open_clip_config.json", to_json(quick));
  expect_error(ErrorKind::input, {"quick", "activation = \"quick_gelu\"", "\"gelu\""},
               [&] { start_from_weights(model_, {.image = folder_ / "quick"}, ""); });
  quick.quick_gelu = false;
  quick.norm.mean = {0.5, 0.5, 0.5};
  write_json_file(folder_ / "quick/open_clip_config.json", to_json(quick));
  const std::string log = test::logged(0, [&] { start_from_weights(model_, {.image = folder_ / "quick"}, ""); });
  EXPECT_NE(log.find("normalised with mean 0.500 0.500 0.500"), std::string::npos) << log;
  EXPECT_FALSE(is_equal(model_, source_.model, "token_embedding.weight"));
}

TEST_F(StartFromFiles, AnotherTokenizerIsRefused) {
  std::filesystem::create_directory(folder_ / "own");
  std::filesystem::rename(folder_ / "both.safetensors", folder_ / "own/open_clip_model.safetensors");
  write_json_file(folder_ / "own/open_clip_config.json", to_json(test::two_small_towers(32, 12)));
  write_file_atomic(folder_ / "own/tokenizer.model", "theirs");
  expect_error(ErrorKind::input, {"another tokenizer"},
               [&] { start_from_weights(model_, {.text = folder_ / "own"}, "ours"); });
  start_from_weights(model_, {.text = folder_ / "own"}, "theirs");
  start_from_weights(model_, {.image = folder_ / "own"}, "ours");  // the image tower knows no words
}

// One tokenizer, whether or not its file says what is done to captions before it.
TEST_F(StartFromFiles, OtherCleaningOfCaptionsIsSaid) {
  std::filesystem::create_directory(folder_ / "own");
  std::filesystem::rename(folder_ / "both.safetensors", folder_ / "own/open_clip_model.safetensors");
  ModelConfig config = test::two_small_towers(32, 12);
  const auto told = [&](const std::string& theirs, const std::string& ours) {
    write_json_file(folder_ / "own/open_clip_config.json", to_json(config));
    write_file_atomic(folder_ / "own/tokenizer.model", theirs);
    const std::string log = test::logged(0, [&] { start_from_weights(model_, {.text = folder_ / "own"}, ours); });
    return log.find("lost their punctuation") != std::string::npos;
  };
  const std::string plain = "model", canonical = with_cleaning(plain, Cleaning::canonical);
  EXPECT_FALSE(told(plain, with_cleaning(plain, Cleaning::none)));
  EXPECT_TRUE(told(canonical, with_cleaning(plain, Cleaning::none)));
  EXPECT_FALSE(told(canonical, canonical));
  config.text["tokenizer_kwargs"] = {{"clean", "canonicalize"}};
  EXPECT_TRUE(told(plain, plain));
  EXPECT_FALSE(told(plain, canonical));
}

TEST_F(StartFromFiles, ATrunkOfTimmIsAnImageTower) {
  ModelConfig timm = test::two_small_towers(32, 12);
  timm.vision = {
      {"timm_model_name", "vit_tiny_patch16_224"},
      {"timm_pool", "token"},
      {"image_size", 32},
      {"timm_model_kwargs", {{"img_size", 32}, {"patch_size", 8}, {"embed_dim", 32}, {"depth", 2}, {"num_heads", 2}}}};
  Source source(timm);
  NamedTensors trunk;
  for (const auto& [name, tensor] : source.weights()) {
    if (name.starts_with("visual.trunk.")) trunk.emplace_back(name.substr(13), tensor);
  }
  trunk.emplace_back("head.weight", at::zeros({1000, 32}));  // its classifier
  write_safetensors(folder_ / "trunk.safetensors", trunk);
  ClipModel model(timm, at::kFloat);
  model.initialise("open_clip", 1);
  const std::string log =
      test::logged(0, [&] { start_from_weights(model, {.image = folder_ / "trunk.safetensors"}, ""); });
  EXPECT_TRUE(is_equal(model, source.model, "visual.trunk.blocks.1.attn.qkv.weight"));
  EXPECT_FALSE(is_equal(model, source.model, "visual.head.proj.weight"));
  EXPECT_NE(log.find("1 new: visual.head.proj.weight"), std::string::npos) << log;
  EXPECT_NE(log.find("1 ignored: visual.trunk.head.weight"), std::string::npos) << log;
}

// The heads of the attention pool change no shape.
TEST_F(StartFromFiles, AnotherHeadWidthOfClipsResNetIsRefused) {
  ModelConfig config = test::two_small_towers(32, 12);
  config.vision = {{"layers", {1, 1, 1, 1}}, {"width", 8}, {"image_size", 32}, {"head_width", 32}};
  config = parse_model_config(to_json(config), "narrow");
  write_safetensors(folder_ / "both.safetensors", Source(config).weights());
  std::filesystem::create_directory(folder_ / "narrow");
  std::filesystem::rename(folder_ / "both.safetensors", folder_ / "narrow/open_clip_model.safetensors");
  write_json_file(folder_ / "narrow/open_clip_config.json", to_json(config));
  start_from_weights(*std::make_unique<ClipModel>(config, at::kFloat), {.image = folder_ / "narrow"}, "");
  config.vision["head_width"] = 64;
  ClipModel wide(config, at::kFloat);
  expect_error(ErrorKind::input, {"narrow", "head_width = 32", "says 64"},
               [&] { start_from_weights(wide, {.image = folder_ / "narrow"}, ""); });
}

// Neither does the pool behind a ResNet's stem.
TEST_F(StartFromFiles, AnotherPoolBehindTheStemIsRefused) {
  ModelConfig config = test::two_small_towers(32, 12);
  config.vision = {{"timm_model_name", "resnet18"},
                   {"image_size", 32},
                   {"timm_model_kwargs", {{"layers", {1, 1, 1, 1}}, {"channels", {8, 8, 8, 8}}, {"max_pool", false}}}};
  config = parse_model_config(to_json(config), "unpooled");
  std::filesystem::create_directory(folder_ / "unpooled");
  write_safetensors(folder_ / "unpooled/open_clip_model.safetensors", Source(config).weights());
  write_json_file(folder_ / "unpooled/open_clip_config.json", to_json(config));
  start_from_weights(*std::make_unique<ClipModel>(config, at::kFloat), {.image = folder_ / "unpooled"}, "");
  config.vision["timm_model_kwargs"].erase("max_pool");
  ClipModel pooled(config, at::kFloat);
  expect_error(ErrorKind::input, {"unpooled", "timm_model_kwargs.max_pool = false", "says true"},
               [&] { start_from_weights(pooled, {.image = folder_ / "unpooled"}, ""); });
}

// As XLM-RoBERTa's and CoCa's: the image tower may be taken all the same.
TEST_F(StartFromFiles, AnImageTowerBesideATextTowerThatIsNotSupported) {
  std::filesystem::create_directory(folder_ / "roberta");
  std::filesystem::rename(folder_ / "both.safetensors", folder_ / "roberta/open_clip_pytorch_model.safetensors");
  Json config = to_json(test::two_small_towers(32, 12));
  config["model_cfg"]["text_cfg"] = {{"hf_model_name", "roberta-base"}};
  config["model_cfg"]["multimodal_cfg"] = {{"layers", 12}};
  write_json_file(folder_ / "roberta/open_clip_config.json", config);
  start_from_weights(model_, {.image = folder_ / "roberta"}, "");
  EXPECT_TRUE(is_equal(model_, source_.model, "visual.proj"));
  for (const StartWeights& from : {StartWeights{.both = folder_ / "roberta"}, StartWeights{.text = folder_ / "roberta"},
                                   StartWeights{.image = folder_ / "roberta", .text = folder_ / "roberta/"}}) {
    expect_error(ErrorKind::input, {"roberta"}, [&] { start_from_weights(model_, from, ""); });
  }
}

// What eval and embed are given in place of a run.
TEST_F(StartFromFiles, WeightsOfAnotherProjectAreNoRunAndTheCommandIsNamed) {
  expect_error(
      ErrorKind::input,
      {"clip_hpc import --input", "both.safetensors --config MODEL.json --tokenizer clip|FILE --output runs/both"},
      [&] { load_model(folder_ / "both.safetensors"); });
  std::filesystem::create_directory(folder_ / "theirs");
  std::filesystem::rename(folder_ / "both.safetensors", folder_ / "theirs/model.safetensors");
  write_json_file(folder_ / "theirs/config.json", {});
  expect_error(ErrorKind::input, {"theirs --tokenizer clip|FILE --output runs/theirs"},
               [&] { load_model(folder_ / "theirs/"); });
  write_file_atomic(folder_ / "theirs/merges.txt", "");
  expect_error(ErrorKind::input, {"theirs --output runs/theirs"}, [&] { load_model(folder_ / "theirs"); });
  expect_error(ErrorKind::input, {"no complete checkpoint"}, [&] { load_model(folder_ / ""); });
}

TEST_F(StartFromFiles, WhatIsNotThereIsSaid) {
  expect_error(ErrorKind::input, {"model.init", "nowhere", "no such file"},
               [&] { start_from_weights(model_, {.both = folder_ / "nowhere"}, ""); });
}

}  // namespace
}  // namespace clip_hpc
