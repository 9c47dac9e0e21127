// A model of open_clip as a run folder: what it says of itself is what evaluation begins with.
#include "clip_hpc/checkpoint/import_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/checkpoint/formats/open_clip.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/text/lower_case.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/eval/eval_fixtures.hpp"
#include "tests/logged.hpp"
#include "tests/text/cased_model.hpp"

namespace clip_hpc {
namespace {

class Import : public testing::Test {
 protected:
  Import() {
    test::on_rank_0([&] {
      write_file_atomic(folder_ / "tiny.json", test::kTinyModel);
      ClipModel tiny(read_model_config(folder_ / "tiny.json"), at::kFloat);
      tiny.initialise("open_clip", 1);
      const std::vector<std::string> captions{"a red house", "a green tree", "a white house by a red tree"};
      train_sentencepiece(captions, 300, folder_ / "sp.model");
      const Tokenizer tokenizer = Tokenizer::load(folder_ / "sp.model");
      OpenClipModel model{model_for(tiny.config(), tokenizer), named_weights(tiny), folder_ / "sp.model"};
      model.config.view = "squash-bilinear";
      write_open_clip_folder(folder_ / "model", model);
    });
    request_ = {
        .input = folder_ / "model", .config = {}, .tokenizer = {}, .output = folder_ / "run", .command_line = {}};
  }
  LoadedModel imported() {
    import_model(test_world(), request_);
    return load_model(request_.output);
  }

  test::SharedFolder folder_;
  ImportRequest request_;
};

TEST_F(Import, ItsOwnPreprocessingIsTheViewOfEvaluations) {
  const LoadedModel loaded = imported();
  EXPECT_EQ(loaded.model->config().view, "squash-bilinear");
  EXPECT_EQ(test_view(loaded.model->config(), kModelView), "squash-bilinear");
}

TEST_F(Import, AnEndTokenThatTheFileLeavesOpenIsTheTokenizers) {
  const auto alone = folder_ / "open_clip_model.safetensors";  // the folder's own JSON names the end token
  test::on_rank_0([&] { std::filesystem::copy_file(folder_ / "model/open_clip_model.safetensors", alone); });
  request_.input = alone;
  request_.config = folder_ / "tiny.json";
  request_.tokenizer = folder_ / "sp.model";
  const std::string log =
      test::logged(test_world().rank(), [&] { EXPECT_EQ(imported().model->text().end_token(), 1); });
  test::on_rank_0(
      [&] { EXPECT_NE(log.find("states no eos_id: the tokenizer's is taken, 1"), std::string::npos) << log; });
}

// A model of another program sees captions as they are, unless it is asked to lower them; the run keeps the answer.
TEST_F(Import, CapitalsStayWhereTheTokenizerKnowsThem) {
  test::on_rank_0([&] { test::write_cased_model(folder_ / ""); });
  request_.tokenizer = folder_ / "cased.model";
  for (const bool lower_case : {false, true}) {
    request_.lower_case = lower_case;
    request_.output = folder_ / (lower_case ? "lowered" : "as_it_is");
    const LoadedModel loaded = imported();
    EXPECT_EQ(stated_lower_case(read_text_file(tokenizer_file(RunFolder{request_.output}))), lower_case);
    EXPECT_EQ(loaded.tokenizer->tokens("Red BERLIN") == loaded.tokenizer->tokens("red berlin"), lower_case);
  }
}

// An exported folder says in tokenizer.json what its tokenizer.model leaves open.
TEST_F(Import, TheTokenizerJsonBesideAModelSaysWhetherItIsLowered) {
  test::on_rank_0([&] {
    test::write_cased_model(folder_ / "");
    write_file_atomic(folder_ / "model/tokenizer.model", read_text_file(folder_ / "cased.model"));
  });
  for (const bool lower_case : {false, true}) {
    test::on_rank_0([&] {
      const Json normalizer = lower_case ? Json{{"type", "Lowercase"}} : Json(nullptr);
      write_json_file(folder_ / "model/tokenizer.json", {{"normalizer", normalizer}});
    });
    request_.output = folder_ / (lower_case ? "lowered" : "as_it_is");
    const LoadedModel loaded = imported();
    EXPECT_EQ(loaded.tokenizer->tokens("Red BERLIN") == loaded.tokenizer->tokens("red berlin"), lower_case);
  }
}

// open_clip's SigLIP: its JSON asks for texts without capitals and punctuation. What is packed with the run's tokenizer
// is cleaned likewise.
TEST_F(Import, CaptionsAreCleanedAsTheModelAsks) {
  test::on_rank_0([&] {
    test::write_cased_model(folder_ / "");
    Json config = read_json_file(folder_ / "model/open_clip_config.json");
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {{"clean", "canonicalize"}};
    write_json_file(folder_ / "model/open_clip_config.json", config);
  });
  request_.tokenizer = folder_ / "cased.model";
  const std::string log = test::logged(test_world().rank(), [&] {
    const LoadedModel loaded = imported();
    EXPECT_EQ(loaded.tokenizer->tokens("A Red, house!"), loaded.tokenizer->tokens("a red house"));
  });
  const std::string given = given_tokenizer(request_.output / "tokenizer.model", false);
  EXPECT_EQ(stated_cleaning(given), Cleaning::canonical);
  test::on_rank_0([&] { EXPECT_NE(log.find("cleaned as SigLIP's are"), std::string::npos) << log; });
  test::on_rank_0([&] {
    Json config = read_json_file(folder_ / "model/open_clip_config.json");
    config["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {{"clean", "lower"}};
    write_json_file(folder_ / "model/open_clip_config.json", config);
  });
  request_.output = folder_ / "lower";
  const std::string said = test::logged(test_world().rank(), [&] { imported(); });
  test::on_rank_0([&] { EXPECT_NE(said.find("clean = lower is not done"), std::string::npos) << said; });
}

// Training would clamp a scale of e^5; a model that is only evaluated keeps its own.
TEST_F(Import, ALargeScaleStaysAsItIs) {
  test::on_rank_0([&] {
    OpenClipModel model = read_model_weights(folder_ / "model", {});
    for (auto& [name, tensor] : model.weights) {
      if (name == "logit_scale") tensor = at::full({}, 5.0, at::kFloat);
    }
    write_open_clip_folder(folder_ / "hot", model);
  });
  request_.input = folder_ / "hot";
  const std::string log =
      test::logged(test_world().rank(), [&] { EXPECT_EQ(imported().model->logit_scale().item<float>(), 5.0F); });
  test::on_rank_0([&] { EXPECT_NE(log.find("logit_scale = 5 lies outside 0 to 4.6052"), std::string::npos) << log; });
}

}  // namespace
}  // namespace clip_hpc
