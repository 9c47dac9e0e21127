#include "clip_hpc/text/lower_case.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "clip_hpc/text/tokenizer_json.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/text/cased_model.hpp"

namespace clip_hpc {
namespace {

// A model of another program, to which capitals are other letters.
class LowerCase : public testing::Test {
 protected:
  LowerCase() { test::write_cased_model(folder_ / ""); }
  bool tells_case(const std::string& bytes) const {
    const Tokenizer tokenizer = Tokenizer::parse(bytes, "cased.model");
    return tokenizer.tokens("Red BERLIN") != tokenizer.tokens("red berlin");
  }
  test::TempFolder folder_;
};

TEST_F(LowerCase, AModelThatIsGivenSeesCaptionsAsTheyAreUnlessAsked) {
  const std::string as_is = given_tokenizer(folder_ / "cased.model", false);
  EXPECT_EQ(stated_lower_case(as_is), false);
  EXPECT_TRUE(tells_case(as_is));
  const std::string lowered = given_tokenizer(folder_ / "cased.model", true);
  EXPECT_EQ(stated_lower_case(lowered), true);
  EXPECT_FALSE(tells_case(lowered));
  // A file that says it already says so wherever it goes.
  write_file_atomic(folder_ / "copy.model", as_is);
  EXPECT_EQ(given_tokenizer(folder_ / "copy.model", false), as_is);
  EXPECT_TRUE(tells_case(read_text_file(folder_ / "copy.model")));
  EXPECT_FALSE(tells_case(given_tokenizer(folder_ / "copy.model", true)));
}

TEST_F(LowerCase, WhatEarlierVersionsKeptIsLowered) {
  const std::string before = read_text_file(folder_ / "cased.model");
  EXPECT_EQ(stated_lower_case(before), std::nullopt);
  EXPECT_FALSE(tells_case(before));
  std::filesystem::create_directories(folder_ / "set");
  write_file_atomic(folder_ / "set/dataset.json", "{}");
  write_file_atomic(folder_ / "set/tokenizer.model", before);
  EXPECT_EQ(given_tokenizer(folder_ / "set/tokenizer.model", false), before);
}

TEST_F(LowerCase, AModelThatFoldsCaseItselfIsLeftAlone) {
  const std::vector<std::string> captions{"a red house", "a green tree"};
  train_sentencepiece(captions, 300, folder_ / "own.model");
  EXPECT_EQ(given_tokenizer(folder_ / "own.model", false), read_text_file(folder_ / "own.model"));
  EXPECT_FALSE(tells_case(given_tokenizer(folder_ / "own.model", false)));
}

TEST_F(LowerCase, CanonicalCaptionsAreStatedInTheSameField) {
  const std::string as_is = read_text_file(folder_ / "cased.model");
  const std::string canonical = with_cleaning(with_cleaning(as_is, Cleaning::none), Cleaning::canonical);
  EXPECT_EQ(stated_cleaning(canonical), Cleaning::canonical);
  EXPECT_EQ(stated_lower_case(canonical), true);
  EXPECT_EQ(without_cleaning(canonical), as_is);
  EXPECT_EQ(without_cleaning(as_is), as_is);
  const Tokenizer tokenizer = Tokenizer::parse(canonical, "cased.model");
  EXPECT_EQ(tokenizer.tokens("A Red, house_and... Berlin!"), tokenizer.tokens("a red house and berlin"));
  const Tokenizer lower = Tokenizer::parse(with_cleaning(as_is, Cleaning::lower_ascii), "cased.model");
  EXPECT_NE(lower.tokens("A Red, house"), lower.tokens("a red house"));
  write_file_atomic(folder_ / "copy.model", canonical);
  for (const bool lower_case : {false, true}) {
    EXPECT_EQ(given_tokenizer(folder_ / "copy.model", lower_case), canonical);
  }
}

TEST_F(LowerCase, TokenizerJsonSaysTheSame) {
  EXPECT_FALSE(lowers_case(tokenizer_json(given_tokenizer(folder_ / "cased.model", false), "cased")));
  EXPECT_TRUE(lowers_case(tokenizer_json(given_tokenizer(folder_ / "cased.model", true), "cased")));
  EXPECT_TRUE(lowers_case(Json{{"normalizer", {{"type", "Lowercase"}}}}));
  EXPECT_FALSE(lowers_case(Json{{"normalizer", nullptr}}));
}

}  // namespace
}  // namespace clip_hpc
