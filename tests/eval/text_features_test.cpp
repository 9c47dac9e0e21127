// Features of classes against those of single prompts.
#include "clip_hpc/eval/text_features.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/model/caption_ids.hpp"

#include "tests/eval/one_by_one.hpp"

namespace clip_hpc {
namespace {

using test::Vector;

class TextFeatures : public test::OneByOne {};

TEST_F(TextFeatures, ClassFeaturesAreMeansOfUnitFeaturesOfAllTemplates) {
  const at::Tensor features = class_features(context_, test::colours(), set_.templates());
  ASSERT_EQ(features.sizes(), (std::vector<std::int64_t>{8, 16}));
  for (std::int64_t c = 0; c < 8; ++c) {
    const Vector expected = class_vector(test::colours()[static_cast<std::size_t>(c)]);
    for (std::int64_t i = 0; i < 16; ++i) {
      EXPECT_NEAR(features[c][i].item<double>(), expected[static_cast<std::size_t>(i)], 2e-6);
    }
  }
}

TEST_F(TextFeatures, PromptsThatLoseTheirClassNameAreCounted) {
  const std::vector<std::string> names{"red", "green house tree"};
  const std::string words = "a house and a tree and a river and a stone and a bird and a boat and a cloud ";
  EXPECT_EQ(lost_names(tokenizer_, 12, names, {"{c}", "a {c} house", "{c} " + words}).prompts, 0);
  const LostNames lost = lost_names(tokenizer_, 12, names, {"{c}", words + "{c}", words + "{}."});
  EXPECT_EQ(lost.prompts, 4);
  EXPECT_EQ(lost.example, words + "red");
}

TEST_F(TextFeatures, IdsAreCutAtTheLongestCaptionWhereThePoolingAllows) {
  ModelConfig changed = config();
  const std::vector<std::string> captions{"red", "green house tree"};
  const auto ids = [&] { return token_ids(tokenizer_, ClipModel(changed).text(), captions); };
  const at::Tensor cut = ids();
  EXPECT_LT(cut.size(1), 12);
  EXPECT_EQ(cut[1][cut.size(1) - 1].item<int>(), tokenizer_.eos_id());
  changed.text["pool_type"] = "last";
  EXPECT_EQ(ids().size(1), 12);
  changed.text["pool_type"] = "eos";
  changed.text["no_causal_mask"] = true;
  EXPECT_EQ(ids().size(1), 12);
}

}  // namespace
}  // namespace clip_hpc
