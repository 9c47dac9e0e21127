#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "clip_hpc/model/clip_model.hpp"
#include "tests/expect_error.hpp"
#include "tests/model/tiny_model.hpp"

namespace clip_hpc {
namespace {

TEST(TowerTable, RowsHaveNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const ImageTowerKind* kind : image_towers()) EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
  for (const TextTowerKind* kind : text_towers()) EXPECT_TRUE(names.insert(kind->name).second) << kind->name;
  EXPECT_TRUE(names.contains("vit"));
  EXPECT_TRUE(names.contains("transformer"));
}

TEST(TowerTable, UnknownSectionsAreRefusedWithWhatIsKnown) {
  test::expect_error(ErrorKind::input, {"m: vision_cfg", "timm_model_name = \"none_such\"", "knows vit, "}, [] {
    parse_model_config(Json::parse(R"({"vision_cfg": {"timm_model_name": "none_such"}, "text_cfg": {}})"), "m");
  });
  test::expect_error(ErrorKind::input, {"m: text_cfg", "hf_model_name = \"bert\"", "knows transformer"}, [] {
    parse_model_config(Json::parse(R"({"vision_cfg": {}, "text_cfg": {"hf_model_name": "bert"}})"), "m");
  });
  test::expect_error(ErrorKind::input, {"m: vision_cfg", "patchsize", "patch_size"}, [] {
    parse_model_config(Json::parse(R"({"vision_cfg": {"patchsize": 3}, "text_cfg": {}})"), "m");
  });
  test::expect_error(ErrorKind::input, {"width", "\"wide\""}, [] {
    parse_model_config(Json::parse(R"({"vision_cfg": {"width": "wide"}, "text_cfg": {}})"), "m");
  });
}

// The polynomial of the class token's n + 1 tokens against the sum of the parts.
TEST(TowerTable, CostOfAVitIsThatOfItsParts) {
  const ClipModel model(test::two_small_towers(32, 12));
  const auto parts = [](double layers, double n, double width) {
    return layers * (n * (4 * width * width + 2 * width * 4 * width) + 2 * n * n * width);
  };
  for (const int kept : {16, 8, 1}) {
    EXPECT_EQ(model.image().cost().macs(kept), kept * 3 * 64 * 32 + parts(2, kept + 1, 32) + 32 * 16);
  }
  EXPECT_EQ(model.text().cost().macs(7), parts(2, 7, 24) + 24 * 16);
  EXPECT_EQ(model.forward_macs(8, 7), model.image().cost().macs(8) + model.text().cost().macs(7));
}

// A smaller image through the same weights is what a model of that size computes whose positions were resized.
TEST(TowerTable, AViTReadsSmallerImagesThroughInterpolatedPositions) {
  ClipModel large(test::two_small_towers(32, 12), at::kDouble), small(test::two_small_towers(16, 12), at::kDouble);
  large.initialise("open_clip", 3);
  small.initialise("open_clip", 4);
  EXPECT_EQ(large.image().size_step(), 8);
  EXPECT_EQ(large.image().patches_at(16), small.image().patches());
  EXPECT_EQ(large.image().macs_at(16, 4), small.image().cost().macs(4));
  const auto& specs = large.arena().specs();
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const at::Tensor from = large.arena().parameter(i).detach(), into = small.arena().parameter(i).detach();
    if (!specs[i].grid) {
      into.copy_(from);
      continue;
    }
    const at::Tensor grid = from.slice(0, 1).view({1, 4, 4, -1}).permute({0, 3, 1, 2}).contiguous();
    const at::Tensor resized = at::_upsample_bicubic2d_aa(grid, {2, 2}, false, std::nullopt, std::nullopt);
    into.copy_(at::cat({from.slice(0, 0, 1), resized.permute({0, 2, 3, 1}).reshape({4, -1})}));
  }
  const at::Tensor pixels = at::arange(2 * 3 * 256, at::kDouble).sin().view({2, 3, 16, 16});
  const at::Tensor found = large.encode_image(pixels, {}, true), expected = small.encode_image(pixels);
  EXPECT_LT((found - expected).abs().max().item<double>(), 1e-6);
  found.sum().backward();
  const at::Tensor gradient = large.arena().gradients();
  EXPECT_GT(gradient.abs().max().item<double>(), 0);
}

TEST(TowerTable, MapsOfSmallerImagesCostByTheirPixels) {
  const auto model_of = [](int side) {
    return ClipModel(parse_model_config(
        {{"embed_dim", 16},
         {"vision_cfg",
          {{"timm_model_name", "convnext_tiny"},
           {"image_size", side},
           {"timm_model_kwargs", {{"depths", {1, 1, 1, 1}}, {"dims", {8, 16, 16, 32}}}}}},
         {"text_cfg", {{"context_length", 12}, {"vocab_size", 50}, {"width", 24}, {"heads", 2}, {"layers", 2}}}},
        "maps"));
  };
  const ClipModel large = model_of(128), small = model_of(64);
  EXPECT_EQ(large.image().size_step(), 32);
  EXPECT_EQ(large.image().patches_at(64), 0);
  const double expected = small.image().cost().macs(0);
  EXPECT_NEAR(large.image().macs_at(64, 0), expected, 0.01 * expected);
}

TEST(TowerTable, AttentionShapesAreOfBothTowers) {
  const ClipModel model(test::two_small_towers(32, 12));
  const std::vector<AttentionShape> shapes = model.attention_shapes(5, 16, 12);
  ASSERT_EQ(shapes.size(), 2U);
  EXPECT_EQ(shapes[0].batch, 5);
  EXPECT_EQ(shapes[0].tokens, 17);
  EXPECT_EQ(shapes[0].heads, 2);
  EXPECT_FALSE(shapes[0].causal);
  EXPECT_EQ(shapes[1].tokens, 12);
  EXPECT_EQ(shapes[1].head_width, 12);
  EXPECT_TRUE(shapes[1].causal);
}

TEST(TowerTable, VocabulariesAreChecked) {
  const ModelConfig config = test::two_small_towers(32, 12);  // 50 pieces, argmax
  const TextTowerKind& kind = text_tower_of(config.text, "m");
  EXPECT_EQ(kind.with_vocabulary(config.text, {50, 49, true}, "m").at("eos_id"), 49);
  test::expect_error(ErrorKind::input, {"51 pieces", "vocab_size is 50"}, [&] {
    kind.with_vocabulary(config.text, {51, 2, true}, "m");
  });
  test::expect_error(ErrorKind::input, {"argmax"}, [&] { kind.with_vocabulary(config.text, {40, 2, false}, "m"); });
}

TEST(TowerTable, CountsNeedNoMemory) {
  const ClipModel declared(test::two_small_towers(32, 12));
  EXPECT_FALSE(declared.arena().is_allocated());
  const ParameterCounts counts = declared.parameter_counts();
  EXPECT_EQ(counts.image + counts.text + 1, counts.total);
  EXPECT_EQ(counts.total, declared.arena().numel());
}

}  // namespace
}  // namespace clip_hpc
