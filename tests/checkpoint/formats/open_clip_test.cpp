#include "clip_hpc/checkpoint/formats/open_clip.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

class OpenClipFolder : public testing::Test {
 protected:
  OpenClipFolder() {
    write_file_atomic(folder_ / "tiny.json", test::kTinyModel);
    ClipModel tiny(read_model_config(folder_ / "tiny.json"), at::kFloat);
    tiny.initialise("open_clip", 1);
    model_.config = tiny.config();
    for (std::size_t i = 0; i < tiny.arena().specs().size(); ++i) {
      model_.weights.emplace_back(tiny.arena().specs()[i].name, tiny.arena().master_view(i).clone());
    }
    specs_ = tiny.arena().exported();
    model_.tokenizer_file = folder_ / "sp.model";
    const std::vector<std::string> captions{"a red house", "a green tree", "a white house by a red tree"};
    train_sentencepiece(captions, 300, model_.tokenizer_file);
  }
  void refuses(const std::vector<std::string>& words, const std::function<void()>& action) {
    test::expect_error(ErrorKind::input, words, action);
  }

  test::TempFolder folder_;
  OpenClipModel model_;
  std::vector<NamedShape> specs_;
};

TEST_F(OpenClipFolder, ComesBackAsItWas) {
  EXPECT_EQ(write_open_clip_folder(folder_ / "out", model_, ResizeMode::squash), "");
  const OpenClipModel read = read_open_clip(folder_ / "out/", {});
  EXPECT_EQ(read.config.name, "out");
  EXPECT_EQ(to_json(read.config), to_json(model_.config));
  ASSERT_EQ(read.weights.size(), model_.weights.size());
  for (std::size_t i = 0; i < read.weights.size(); ++i) {
    EXPECT_EQ(read.weights[i].first, model_.weights[i].first);
    EXPECT_TRUE(at::equal(read.weights[i].second, model_.weights[i].second)) << read.weights[i].first;
  }
  EXPECT_EQ(read_text_file(read.tokenizer_file), read_text_file(model_.tokenizer_file));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.part"));
}

TEST_F(OpenClipFolder, SaysWhatOpenClipMustKnow) {
  write_open_clip_folder(folder_ / "out", model_, ResizeMode::shortest);
  const Json config = read_json_file(folder_ / "out/open_clip_config.json");
  const Json& text = config["model_cfg"]["text_cfg"];
  EXPECT_EQ(text["pool_type"], "eos");
  EXPECT_EQ(text["eos_id"], model_.config.text["eos_id"]);
  EXPECT_EQ(text["no_causal_mask"], false);
  EXPECT_EQ(text["hf_tokenizer_name"], "local-dir");
  EXPECT_EQ(config["preprocess_cfg"]["resize_mode"], "shortest");
  EXPECT_EQ(config["preprocess_cfg"]["interpolation"], "bicubic");
}

TEST_F(OpenClipFolder, IsNeverWrittenOver) {
  std::filesystem::create_directory(folder_ / "out");
  refuses({"out exists", "--output"}, [&] { write_open_clip_folder(folder_ / "out", model_, ResizeMode::squash); });
}

TEST_F(OpenClipFolder, AFileOfWeightsNeedsTheModel) {
  write_safetensors(folder_ / "w.safetensors", model_.weights);
  refuses({"w.safetensors", "--config"}, [&] { read_open_clip(folder_ / "w.safetensors", {}); });
  refuses({"nowhere.json", "--config"}, [&] { read_open_clip(folder_ / "w.safetensors", folder_ / "nowhere.json"); });
  refuses({"nowhere", "does not exist"}, [&] { read_open_clip(folder_ / "nowhere", {}); });
  EXPECT_EQ(read_open_clip(folder_ / "w.safetensors", folder_ / "tiny.json").config.name, "tiny");
}

TEST_F(OpenClipFolder, TensorsThatDoNotFitAreNamed) {
  NamedTensors weights = model_.weights;
  weights.emplace_back("logit_bias", at::zeros({1}));
  refuses({"w has", "logit_bias"}, [&] { match_weights(weights, specs_, "w"); });
  weights = model_.weights;
  const std::string name = weights[3].first;
  weights.erase(weights.begin() + 3);
  refuses({"w lacks", name}, [&] { match_weights(weights, specs_, "w"); });
  weights.erase(weights.begin(), weights.begin() + 7);
  refuses({"w lacks", "and 3 more"}, [&] { match_weights(weights, specs_, "w"); });
  weights = model_.weights;
  weights[2].second = at::zeros({3, 7});
  refuses({weights[2].first, "[3, 7]"}, [&] { match_weights(weights, specs_, "w"); });
  weights[2].second = at::zeros(model_.weights[2].second.sizes(), at::kLong);
  refuses({weights[2].first, "whole numbers"}, [&] { match_weights(weights, specs_, "w"); });
}

TEST_F(OpenClipFolder, HalfWeightsInAnyOrderBecomeFloats) {
  NamedTensors weights;
  for (const auto& [name, tensor] : model_.weights) {
    weights.emplace(weights.begin(), name, (tensor.dim() == 0 ? tensor.view({1}) : tensor).to(at::kBFloat16));
  }
  const NamedTensors matched = match_weights(weights, specs_, "w");
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    EXPECT_EQ(matched[i].first, specs_[i].name);
    EXPECT_EQ(matched[i].second.scalar_type(), at::kFloat);
    EXPECT_TRUE(at::equal(matched[i].second, model_.weights[i].second.to(at::kBFloat16).to(at::kFloat)));
  }
}

}  // namespace
}  // namespace clip_hpc
