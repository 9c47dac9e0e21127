#include "clip_hpc/checkpoint/formats/open_clip.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/eval/eval_fixtures.hpp"
#include "tests/logged.hpp"

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
  EXPECT_EQ(write_open_clip_folder(folder_ / "out", model_), "");
  const OpenClipModel read = read_model_weights(folder_ / "out/", {});
  EXPECT_EQ(read.config.name, "out");
  EXPECT_EQ(read.config.view, "resize");  // said, where the model itself says nothing
  ModelConfig said = model_.config;
  said.view = "resize";
  said.text["hf_tokenizer_name"] = "local-dir";
  EXPECT_EQ(to_json(read.config), to_json(said));
  ASSERT_EQ(read.weights.size(), model_.weights.size());
  for (std::size_t i = 0; i < read.weights.size(); ++i) {
    EXPECT_EQ(read.weights[i].first, model_.weights[i].first);
    EXPECT_TRUE(at::equal(read.weights[i].second, model_.weights[i].second)) << read.weights[i].first;
  }
  EXPECT_EQ(read_text_file(read.tokenizer_file), read_text_file(model_.tokenizer_file));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.part"));
}

TEST_F(OpenClipFolder, SaysWhatOpenClipMustKnow) {
  model_.config.view = "eval";
  write_open_clip_folder(folder_ / "out", model_);
  const Json config = read_json_file(folder_ / "out/open_clip_config.json");
  const Json& text = config["model_cfg"]["text_cfg"];
  EXPECT_EQ(text["pool_type"], "eos");
  EXPECT_EQ(text["eos_id"], model_.config.text["eos_id"]);
  EXPECT_EQ(text["no_causal_mask"], false);
  EXPECT_EQ(text["hf_tokenizer_name"], "local-dir");
  EXPECT_EQ(config["preprocess_cfg"]["resize_mode"], "shortest");
  EXPECT_EQ(config["preprocess_cfg"]["interpolation"], "bicubic");
}

// What the model's file said of its test images and its tokenizer is said again.
TEST_F(OpenClipFolder, PreprocessingAndTokenizerNameSurviveTheRoundTrip) {
  model_.config.view = "longest-bilinear-fill127";
  model_.config.text["hf_tokenizer_name"] = "timm/ViT-B-16-SigLIP";
  model_.config.text["tokenizer_kwargs"] = {{"clean", "canonicalize"}};
  write_open_clip_folder(folder_ / "a", model_);
  const OpenClipModel read = read_model_weights(folder_ / "a", {});
  write_open_clip_folder(folder_ / "b", read);
  EXPECT_EQ(read_json_file(folder_ / "a/open_clip_config.json"), read_json_file(folder_ / "b/open_clip_config.json"));
  const Json config = read_json_file(folder_ / "b/open_clip_config.json");
  EXPECT_EQ(config["preprocess_cfg"]["resize_mode"], "longest");
  EXPECT_EQ(config["preprocess_cfg"]["interpolation"], "bilinear");
  EXPECT_EQ(config["preprocess_cfg"]["fill_color"], 127);
  EXPECT_EQ(config["preprocess_cfg"]["size"], (Json{32, 32}));
  EXPECT_EQ(config["model_cfg"]["text_cfg"]["hf_tokenizer_name"], "timm/ViT-B-16-SigLIP");
  EXPECT_EQ(config["model_cfg"]["text_cfg"]["tokenizer_kwargs"]["clean"], "canonicalize");
}

TEST_F(OpenClipFolder, WithoutPreprocessingItIsOpenClipsDefault) {
  write_open_clip_folder(folder_ / "out", model_);
  Json config = read_json_file(folder_ / "out/open_clip_config.json");
  for (const char* key : {"resize_mode", "interpolation", "fill_color"}) config["preprocess_cfg"].erase(key);
  write_json_file(folder_ / "out/open_clip_config.json", config);
  EXPECT_EQ(read_model_weights(folder_ / "out", {}).config.view, "eval");
}

TEST_F(OpenClipFolder, AViewThatOpenClipHasNoWordsForIsRefused) {
  model_.config.view = "eval_squash";
  refuses({"eval_squash", "--view"}, [&] { write_open_clip_folder(folder_ / "out", model_); });
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

TEST_F(OpenClipFolder, WrappersAreTakenOffAndNoWeightsLeftOut) {
  for (const std::string wrapper : {"module.", "_orig_mod.", "model.", "_orig_mod.module."}) {
    NamedTensors weights;
    for (const auto& [name, tensor] : model_.weights) weights.emplace_back(wrapper + name, tensor);
    weights.emplace_back(wrapper + "attn_mask", at::zeros({12, 12}));
    weights.emplace_back(wrapper + "input_resolution", at::full({}, 32, at::kLong));
    write_safetensors(folder_ / "w.safetensors", weights);
    NamedTensors matched;
    const std::string log = test::logged(0, [&] {
      const WeightSource source = weight_source(folder_ / "w.safetensors", {});
      EXPECT_EQ(std::ranges::count(source.names, specs_[0].name), 1) << wrapper;
      matched = match_weights(read_weights(source), specs_, "w");
    });
    EXPECT_NE(log.find("\"" + wrapper + "\" before the names of all tensors is taken off"), std::string::npos) << log;
    EXPECT_NE(log.find("w: left out, since they are no weights: attn_mask, input_resolution"), std::string::npos)
        << log;
    ASSERT_EQ(matched.size(), specs_.size()) << wrapper;
    for (std::size_t i = 0; i < specs_.size(); ++i) {
      EXPECT_EQ(matched[i].first, specs_[i].name);
      EXPECT_TRUE(at::equal(matched[i].second, model_.weights[i].second));
    }
  }
  NamedTensors one;  // what stands before one name alone is no wrapper
  for (const auto& [name, tensor] : model_.weights) one.emplace_back(one.empty() ? "module." + name : name, tensor);
  write_safetensors(folder_ / "w.safetensors", one);
  refuses({"w lacks", "module."},
          [&] { match_weights(read_weights(weight_source(folder_ / "w.safetensors", {})), specs_, "w"); });
}

TEST_F(OpenClipFolder, WeightsThatAreNoNumbersAreNamed) {
  for (const double broken : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    NamedTensors weights = model_.weights;
    weights[5].second = weights[5].second.clone();
    weights[5].second.view({-1})[0] = broken;
    refuses({"w: tensor " + weights[5].first, "1 values of", "NaN or Inf"},
            [&] { match_weights(weights, specs_, "w"); });
    ClipModel model(model_.config, at::kFloat);
    refuses({"w: tensor " + weights[5].first}, [&] { set_weights(model, weights, "w"); });
  }
}

// A zip file of torch.save, and the bare pickle that it wrote before: neither is opened.
TEST_F(OpenClipFolder, PicklesAreRefusedWithTheLineThatConvertsThem) {
  for (const std::string& head : {std::string("PK\x03\x04"), std::string("\x80\x02")}) {
    for (const char* name : {"w.pt", "w.bin", "w.safetensors"}) {
      write_file_atomic(folder_ / name, head + "rest of it");
      refuses({name, "pickle", "weights_only=True", "w.safetensors"},
              [&] { read_model_weights(folder_ / name, folder_ / "tiny.json"); });
    }
    // Without the model's JSON as well: what it is comes before what is missing.
    refuses({"w.pt", "pickle", "weights_only=True"}, [&] { weight_source(folder_ / "w.pt", {}); });
    std::filesystem::create_directories(folder_ / "bare");
    write_file_atomic(folder_ / "bare/pytorch_model.bin", head + "rest of it");
    refuses({"bare/pytorch_model.bin", "pickle"}, [&] { weight_source(folder_ / "bare", {}); });
    std::filesystem::create_directories(folder_ / "hub");
    write_json_file(folder_ / "hub/open_clip_config.json", to_json(model_.config));
    write_file_atomic(folder_ / "hub/open_clip_pytorch_model.bin", head + "rest of it");
    refuses({"open_clip_pytorch_model.bin", "pickle", "hub/open_clip_model.safetensors"},
            [&] { read_model_weights(folder_ / "hub", {}); });
  }
}

// OpenAI's: a zip with a program, which torch.load refuses with weights_only.
TEST_F(OpenClipFolder, TorchScriptIsConvertedByItsOwnLine) {
  write_file_atomic(folder_ / "it's a model.pt", "PK\x03\x04" + std::string(100, 'x') + "model/constants.pkl");
  refuses({"pickle", "torch.jit.load(sys.argv[1], map_location='cpu').state_dict()", "it'\\''s a model.safetensors'"},
          [&] { weight_source(folder_ / "it's a model.pt", {}); });
}

TEST_F(OpenClipFolder, LaionsNameOfTheWeightsIsFound) {
  write_open_clip_folder(folder_ / "out", model_);
  std::filesystem::rename(folder_ / "out/open_clip_model.safetensors",
                          folder_ / "out/open_clip_pytorch_model.safetensors");
  EXPECT_EQ(read_model_weights(folder_ / "out", {}).weights.size(), model_.weights.size());
}

TEST_F(OpenClipFolder, IsNeverWrittenOver) {
  std::filesystem::create_directory(folder_ / "out");
  refuses({"out exists", "--output"}, [&] { write_open_clip_folder(folder_ / "out", model_); });
}

// A JSON that a user gives says what the folder leaves open; what the folder says of itself stays.
TEST_F(OpenClipFolder, AGivenJsonKeepsWhatTheFolderSays) {
  model_.config.view = "squash-bilinear";
  model_.config.norm.mean = model_.config.norm.std = {0.5, 0.5, 0.5};
  model_.config.text["eos_id"] = 7;
  model_.config.text["tokenizer_kwargs"] = {{"clean", "canonicalize"}};
  write_open_clip_folder(folder_ / "out", model_);
  std::optional<OpenClipModel> read;
  std::string log = test::logged(0, [&] { read = read_model_weights(folder_ / "out", folder_ / "tiny.json"); });
  EXPECT_EQ(log.find("does not say"), std::string::npos) << log;
  EXPECT_EQ(read->config.name, "tiny");
  EXPECT_EQ(read->config.view, "squash-bilinear");
  EXPECT_EQ(read->config.norm.mean, model_.config.norm.mean);
  EXPECT_EQ(read->config.norm.std, model_.config.norm.std);
  EXPECT_EQ(read->config.text["eos_id"], 7);
  EXPECT_TRUE(read->states_eos);
  EXPECT_EQ(read->config.text["tokenizer_kwargs"], model_.config.text["tokenizer_kwargs"]);
  Json own = {{"model_cfg", Json::parse(test::kTinyModel)}, {"preprocess_cfg", {{"mean", {0.1, 0.1, 0.1}}}}};
  write_json_file(folder_ / "own.json", own);
  log = test::logged(0, [&] { read = read_model_weights(folder_ / "out", folder_ / "own.json"); });
  EXPECT_EQ(read->config.norm.mean[0], 0.1);
  EXPECT_NE(log.find("normalised with mean 0.500 0.500 0.500"), std::string::npos) << log;
}

TEST_F(OpenClipFolder, AGivenJsonThatComputesOtherwiseIsRefused) {
  write_open_clip_folder(folder_ / "out", model_);
  Json own = Json::parse(test::kTinyModel);
  own["quick_gelu"] = true;
  write_json_file(folder_ / "own.json", own);
  refuses({"out", "activation = \"gelu\"", "own", "\"quick_gelu\""},
          [&] { read_model_weights(folder_ / "out", folder_ / "own.json"); });
  own = Json::parse(test::kTinyModel);
  own["vision_cfg"]["head_width"] = 8;
  write_json_file(folder_ / "own.json", own);
  refuses({"out", "heads = 2", "own", "4"}, [&] { read_model_weights(folder_ / "out", folder_ / "own.json"); });
}

TEST_F(OpenClipFolder, AFileOfWeightsNeedsTheModel) {
  write_safetensors(folder_ / "w.safetensors", model_.weights);
  refuses({"w.safetensors", "--config"}, [&] { read_model_weights(folder_ / "w.safetensors", {}); });
  refuses({"nowhere.json", "--config"},
          [&] { read_model_weights(folder_ / "w.safetensors", folder_ / "nowhere.json"); });
  refuses({"nowhere", "does not exist"}, [&] { read_model_weights(folder_ / "nowhere", {}); });
  EXPECT_EQ(read_model_weights(folder_ / "w.safetensors", folder_ / "tiny.json").config.name, "tiny");
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
