#include "clip_hpc/model/model_file.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

ModelConfig parsed(const Json& json) { return parse_model_config(json, "m"); }

// A model with `key` of a section set to `value`.
Json with(const std::string& section, const std::string& key, const Json& value) {
  Json json = {
      {"embed_dim", 16},
      {"vision_cfg", {{"image_size", 32}, {"patch_size", 8}, {"width", 32}, {"layers", 1}, {"head_width", 16}}},
      {"text_cfg", {{"context_length", 12}, {"vocab_size", 50}, {"width", 32}, {"heads", 2}, {"layers", 1}}}};
  (section.empty() ? json : json[section])[key] = value;
  return json;
}

Json preprocessed(const Json& preprocess_cfg) {
  return {{"model_cfg", with("", "embed_dim", 16)}, {"preprocess_cfg", preprocess_cfg}};
}

void refuses(const Json& json, const std::vector<std::string>& words) {
  test::expect_error(ErrorKind::input, words, [&] { parsed(json); });
}

TEST(ModelFile, NestedTooDeepItIsDamaged) {
  const test::TempFolder folder;
  write_file_atomic(folder / "m.json", std::string(300000, '['));
  test::expect_error(ErrorKind::storage, {"m.json", "nested deeper than"},
                     [&] { read_model_config(folder / "m.json"); });
}

TEST(ModelFile, PreprocessingIsTheModelsOwnViewAndComesBack) {
  EXPECT_EQ(parsed(preprocessed({{"mean", {0.5, 0.5, 0.5}}})).view, "");  // nothing is said
  EXPECT_EQ(parsed(with("", "embed_dim", 16)).view, "");
  struct Case {
    Json preprocess_cfg;
    const char* view;
  };
  const std::vector<Case> cases{
      {{{"resize_mode", "shortest"}}, "eval"},
      {{{"resize_mode", "squash"}, {"interpolation", "bicubic"}}, "resize"},
      {{{"resize_mode", "longest"}, {"fill_color", 0}}, "eval_longest"},
      {{{"interpolation", "bilinear"}}, "shortest-bilinear"},  // what is left out is open_clip's default
      {{{"resize_mode", nullptr}, {"interpolation", "random"}}, "eval"},
      {{{"resize_mode", "longest"}, {"interpolation", "bilinear"}, {"fill_color", 127}}, "longest-bilinear-fill127"},
      {{{"resize_mode", "squash"}, {"interpolation", "bilinear"}, {"size", {32, 32}}, {"mode", "RGB"}},
       "squash-bilinear"},
      {{{"view", "eval_squash"}}, "eval_squash"},  // open_clip has no word for it
  };
  for (const Case& one : cases) {
    const ModelConfig model = parsed(preprocessed(one.preprocess_cfg));
    EXPECT_EQ(model.view, one.view) << one.preprocess_cfg.dump();
    EXPECT_EQ(parsed(to_json(model)).view, one.view) << to_json(model).dump();
  }
  const Json written =
      to_json(parsed(preprocessed({{"resize_mode", "longest"}, {"fill_color", 9}}))).at("preprocess_cfg");
  EXPECT_EQ(written.at("resize_mode"), "longest");
  EXPECT_EQ(written.at("interpolation"), "bicubic");
  EXPECT_EQ(written.at("fill_color"), 9);
  refuses(preprocessed({{"resize_mode", "stretch"}}), {"preprocess_cfg", "stretch", "squash"});
  refuses(preprocessed({{"interpolation", "lanczos"}}), {"preprocess_cfg", "lanczos"});
  refuses(preprocessed({{"fill_color", 256}}), {"fill_color = 256"});
  refuses(preprocessed({{"fill_color", {1, 2, 3}}}), {"fill_color"});
  refuses(preprocessed({{"mode", "L"}}), {"mode = \"L\""});
}

TEST(ModelFile, TheViewThatIsAskedForWins) {
  ModelConfig model;
  EXPECT_EQ(test_view(model, kModelView), "resize");
  EXPECT_EQ(test_view(model, "eval"), "eval");
  model.view = "squash-bilinear";
  EXPECT_EQ(test_view(model, kModelView), "squash-bilinear");
  EXPECT_EQ(test_view(model, "resize"), "resize");
}

TEST(ModelFile, OneMeanStandsForThreeChannels) {
  const ModelConfig model = parsed(preprocessed({{"mean", 0.25}, {"std", {0.1, 0.2, 0.3}}}));
  EXPECT_EQ(model.norm.mean, (std::array{0.25, 0.25, 0.25}));
  EXPECT_EQ(model.norm.std, (std::array{0.1, 0.2, 0.3}));
}

TEST(ModelFile, WhatOpenClipTokenizesWithIsKept) {
  Json json = with("text_cfg", "hf_tokenizer_name", "timm/ViT-B-16-SigLIP");
  json["text_cfg"]["tokenizer_kwargs"] = {{"clean", "canonicalize"}};
  const Json written = to_json(parsed(to_json(parsed(json)))).at("model_cfg").at("text_cfg");
  EXPECT_EQ(written.at("hf_tokenizer_name"), "timm/ViT-B-16-SigLIP");
  EXPECT_EQ(written.at("tokenizer_kwargs").at("clean"), "canonicalize");
  EXPECT_FALSE(to_json(parsed(with("", "embed_dim", 16))).at("model_cfg").at("text_cfg").contains("hf_tokenizer_name"));
}

TEST(ModelFile, WholeNumbersAreWholeAndSizesAreSizes) {
  EXPECT_EQ(parsed(with("vision_cfg", "width", 32.0)).vision.at("width"), 32);
  refuses(with("vision_cfg", "width", 32.9), {"vision_cfg: width = 32.9", "a whole number"});
  refuses(with("vision_cfg", "layers", 2.7), {"layers = 2.7", "a whole number"});
  refuses(with("text_cfg", "layers", 2.7), {"text_cfg: layers = 2.7"});
  refuses(with("text_cfg", "vocab_size", 1e300), {"vocab_size = 1e+300"});
  refuses(with("", "embed_dim", "16"), {"embed_dim = \"16\""});
  refuses(with("", "embed_dim", true), {"embed_dim = true"});
  refuses(with("vision_cfg", "mlp_ratio", -1), {"vision_cfg.mlp_ratio = -1"});
  refuses(with("text_cfg", "mlp_ratio", 0.001), {"text_cfg.mlp_ratio = 0.001"});
  refuses(with("vision_cfg", "layers", 0), {"vision_cfg.layers = 0"});
  refuses(with("text_cfg", "width", std::int64_t{1} << 40), {"text_cfg.width = 1099511627776"});
  refuses(with("text_cfg", "no_causal_mask", 1), {"no_causal_mask = 1", "true or false"});
}

TEST(ModelFile, ASquareMayBeWrittenAsTwoSides) {
  EXPECT_EQ(parsed(with("vision_cfg", "image_size", {32, 32})).vision.at("image_size"), 32);
  refuses(with("vision_cfg", "image_size", {32, 64}), {"image_size = [32,64]", "two equal ones"});
  refuses(with("vision_cfg", "patch_size", nullptr), {"patch_size = null", "a whole number"});
}

// open_clip writes every key of its two dataclasses: those at their defaults change nothing.
TEST(ModelFile, KeysAtTheirDefaultsAreTakenAndOthersNamed) {
  Json json = with("", "custom_text", false);
  json.update({{"nonscalar_logit_scale", false}, {"init_logit_bias", nullptr}, {"cast_dtype", nullptr}});
  json["vision_cfg"].update({{"ls_init_value", nullptr},
                             {"patch_dropout", 0.0},
                             {"attentional_pool", false},
                             {"attn_pooler_queries", 256},
                             {"pos_embed_type", "learnable"},
                             {"final_ln_after_pool", false},
                             {"output_tokens", false},
                             {"act_kwargs", nullptr},
                             {"norm_kwargs", Json::object()},
                             {"qk_norm", false},
                             {"timm_model_name", nullptr},
                             {"timm_model_pretrained", false},
                             {"timm_pool", "avg"},
                             {"timm_drop_path", nullptr}});
  json["text_cfg"].update({{"hf_tokenizer_name", nullptr},
                           {"tokenizer_kwargs", nullptr},
                           {"embed_cls", false},
                           {"pad_id", 0},
                           {"proj_type", "linear"},
                           {"proj_bias", false},
                           {"hf_model_name", nullptr},
                           {"hf_pooler_type", "mean_pooler"},
                           {"scale_fc", false}});
  EXPECT_EQ(to_json(parsed(json)), to_json(parsed(with("", "embed_dim", 16))));
  Json timm = with("", "embed_dim", 16);  // null is the network's own pool
  timm["vision_cfg"] = {
      {"timm_model_name", "vit_base_patch16_siglip_224"},
      {"timm_pool", nullptr},
      {"image_size", 32},
      {"timm_model_kwargs",
       {{"img_size", 32}, {"patch_size", 16}, {"embed_dim", 16}, {"depth", 1}, {"num_heads", 2}, {"mlp_ratio", 2.0}}}};
  EXPECT_EQ(ClipModel(parsed(timm)).image().patches(), 4);
  timm["vision_cfg"]["timm_proj"] = "none";
  test::expect_error(ErrorKind::input, {"timm_pool is empty", "name the pool"},
                     [&] { const ClipModel model(parsed(timm)); });
  refuses(with("", "nonscalar_logit_scale", true), {"nonscalar_logit_scale = true", "only false is"});
  refuses(with("vision_cfg", "attentional_pool", true), {"attentional_pool = true", "only false is"});
  refuses(with("vision_cfg", "patch_dropout", 1.5), {"patch_dropout = 1.5", "[0, 1)"});
  refuses(with("text_cfg", "proj_type", "mlp"), {"proj_type = \"mlp\"", "linear or none"});
  refuses(with("text_cfg", "proj_type", "none"), {"proj_type = none needs embed_dim"});
  refuses(with("text_cfg", "embed_clz", true), {"\"embed_clz\" = true", "embed_cls"});
}

TEST(ModelFile, LargeModelsAreCountedWithoutTheirMemory) {
  Json json = with("", "embed_dim", 1024);
  json["vision_cfg"] = {{"image_size", 224}, {"layers", 48}, {"width", 1792}, {"patch_size", 14}, {"head_width", 112}};
  json["text_cfg"] = {{"vocab_size", 256000}, {"width", 1280}, {"heads", 20}, {"layers", 32}};
  const std::int64_t before = peak_rss_bytes();
  const ClipModel model(parsed(json));
  EXPECT_GT(model.parameter_counts().total, 2'500'000'000);
  EXPECT_GT(model.forward_macs(256, 77), 5e11);
  EXPECT_FALSE(model.arena().is_allocated());
  EXPECT_LT(peak_rss_bytes() - before, std::int64_t{256} << 20);
}

}  // namespace
}  // namespace clip_hpc
