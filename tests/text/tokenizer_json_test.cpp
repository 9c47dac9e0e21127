// That it gives the same ids in Hugging Face's library is for tests/parity/export_test.sh to say.
#include "clip_hpc/text/tokenizer_json.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

class TokenizerJson : public testing::Test {
 protected:
  TokenizerJson() {
    const std::vector<std::string> captions{"latin small letter a", "latin small letter b", "greek letter alpha"};
    train_sentencepiece(captions, 320, folder_ / "sp.model");
    bytes_ = read_text_file(folder_ / "sp.model");
  }

  test::TempFolder folder_;
  std::string bytes_;
};

TEST_F(TokenizerJson, HasEveryPieceUnderItsId) {
  const Tokenizer tokenizer = Tokenizer::load(folder_ / "sp.model");
  const Json json = tokenizer_json(bytes_, "sp.model");
  const Json& vocab = json["model"]["vocab"];
  ASSERT_EQ(static_cast<int>(vocab.size()), tokenizer.vocab_size());
  for (const auto& [piece, id] : vocab.items()) {
    if (piece.starts_with("<")) continue;  // bytes and special pieces decode to other things
    std::string text = piece;
    if (text.starts_with("\u2581")) text = text.substr(3);
    const std::vector<std::int32_t> one{id.get<std::int32_t>()};
    EXPECT_EQ(tokenizer.decode(one), text);
  }
  EXPECT_EQ(json["added_tokens"][0]["id"], tokenizer.eos_id());
  EXPECT_EQ(json["model"]["byte_fallback"], true);
}

// Joining the pair of the lowest rank until none is left is all that such a library does.
TEST_F(TokenizerJson, ItsMergesMakeTheTokensOfAWord) {
  const Tokenizer tokenizer = Tokenizer::load(folder_ / "sp.model");
  const Json model = tokenizer_json(bytes_, "sp.model")["model"];
  const Json& merges = model["merges"];
  for (const std::string word : {"letter", "small", "greeklatin", "alphabet", "tttt"}) {
    std::vector<std::string> parts{"\u2581"};
    for (const char c : word) parts.push_back({c});
    const auto join_once = [&] {
      for (const Json& merge : merges) {
        for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
          if (parts[i] != merge[0] || parts[i + 1] != merge[1]) continue;
          parts[i] += parts[i + 1];
          parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
          return true;
        }
      }
      return false;
    };
    while (join_once()) {
    }
    std::vector<std::int32_t> ids;
    for (const std::string& part : parts) ids.push_back(model["vocab"].at(part).get<std::int32_t>());
    ids.push_back(tokenizer.eos_id());
    EXPECT_EQ(ids, tokenizer.tokens(word)) << word;
  }
}

TEST_F(TokenizerJson, PaddingIsTheEndToken) {
  const Json config = tokenizer_config_json(bytes_, "sp.model", 12);
  EXPECT_EQ(config["pad_token"], config["eos_token"]);
  EXPECT_EQ(config["model_max_length"], 12);
}

TEST_F(TokenizerJson, WhatIsNoModelIsRefused) {
  for (const std::string& bytes :
       {std::string(), std::string("no model"), std::string(100, '\xff'), bytes_.substr(0, 40)}) {
    test::expect_error(ErrorKind::input, {"sp.model", "tokenizer.json"}, [&] { tokenizer_json(bytes, "sp.model"); });
  }
}

}  // namespace
}  // namespace clip_hpc
