#include "clip_hpc/text/tokenizer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> small_corpus() {
  std::vector<std::string> captions;
  for (const auto* size : {"capital", "small"}) {
    for (char letter = 'a'; letter <= 'z'; ++letter) {
      for (const auto* mark : {"acute", "grave", "dot above", "stroke"}) {
        captions.push_back(
            fmt::format("latin {} letter {} with {}\nLatin letter {}, bold serif", size, letter, mark, letter));
      }
    }
  }
  return captions;
}

class TokenizerTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("clip_hpc_tokenizer_{}", ::getpid());
    fs::create_directories(folder_);
    train_sentencepiece(small_corpus(), 400, model_path());
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path model_path() const { return folder_ / kTokenizerFileName; }

  fs::path folder_;
};

void expect_error(ErrorKind kind, std::string_view words, const std::function<void()>& action) {
  try {
    action();
    FAIL() << "no error, expected: " << words;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    EXPECT_NE(std::string_view(error.what()).find(words), std::string_view::npos) << error.what();
  }
}

TEST_F(TokenizerTest, PadsWithTheEndToken) {
  const auto tokenizer = Tokenizer::load(model_path());
  const auto ids = tokenizer.encode("latin small letter a", 32);
  ASSERT_EQ(ids.size(), 32U);
  const int length = tokenizer.length(ids);
  EXPECT_GT(length, 1);
  EXPECT_LT(length, 32);
  EXPECT_EQ(std::ranges::count(ids, tokenizer.eos_id()), 32 - length + 1);
  EXPECT_TRUE(std::ranges::all_of(ids, [&](auto id) { return id >= 0 && id < tokenizer.vocab_size(); }));
  EXPECT_EQ(tokenizer.decode(ids), "latin small letter a");
}

TEST_F(TokenizerTest, EndTokenSurvivesTruncation) {
  const auto tokenizer = Tokenizer::load(model_path());
  const std::string caption = "latin capital letter z with dot above, latin capital letter y with stroke";
  const auto whole = tokenizer.encode(caption, 64);
  for (const int context : {1, 2, 5}) {
    const auto cut = tokenizer.encode(caption, context);
    ASSERT_EQ(cut.size(), static_cast<std::size_t>(context));
    EXPECT_EQ(cut.back(), tokenizer.eos_id());
    EXPECT_EQ(tokenizer.length(cut), context);
    EXPECT_TRUE(std::equal(cut.begin(), cut.end() - 1, whole.begin()));
  }
  expect_error(ErrorKind::input, "context", [&] { tokenizer.encode(caption, 0); });
}

TEST_F(TokenizerTest, AnyInputIsEncoded) {
  const auto tokenizer = Tokenizer::load(model_path());
  EXPECT_EQ(tokenizer.length(tokenizer.encode("", 8)), 1);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("😀 得", 32)), "😀 得");  // by byte pieces
  const std::string broken = "caf\xc3 \xff\xfe letter";
  EXPECT_GT(tokenizer.length(tokenizer.encode(broken, 32)), 1);
  const std::string with_zero("latin\0letter", 12);
  EXPECT_GT(tokenizer.length(tokenizer.encode(with_zero, 32)), 1);
  EXPECT_EQ(tokenizer.encode(std::string(100000, 'a'), 16).back(), tokenizer.eos_id());
}

TEST_F(TokenizerTest, CaseIsFolded) {
  const auto tokenizer = Tokenizer::load(model_path());
  EXPECT_EQ(tokenizer.encode("LATIN Letter A", 16), tokenizer.encode("latin letter a", 16));
}

TEST_F(TokenizerTest, BatchEqualsSingles) {
  const auto tokenizer = Tokenizer::load(model_path());
  const std::vector<std::string> captions = {"latin small letter b with grave", "", "bold serif", "x"};
  const auto batch = tokenizer.encode_batch(captions, 9);
  ASSERT_EQ(batch.ids.size(), 36U);
  for (std::size_t i = 0; i < captions.size(); ++i) {
    const auto one = tokenizer.encode(captions[i], 9);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), batch.ids.begin() + static_cast<std::ptrdiff_t>(9 * i)));
    EXPECT_EQ(batch.lengths[i], tokenizer.length(one));
  }
}

TEST_F(TokenizerTest, TrainingIsDeterministicAndSilent) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  train_sentencepiece(small_corpus(), 400, folder_ / "again.model");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(read_text_file(folder_ / "again.model"), read_text_file(model_path()));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);  // nothing temporary is left
}

TEST_F(TokenizerTest, TrainingRefusesWhatCannotWork) {
  const std::vector<std::string> none = {"", "\n\n"};
  expect_error(ErrorKind::input, "no caption", [&] { train_sentencepiece(none, 400, folder_ / "x"); });
  expect_error(ErrorKind::input, "larger than 259", [&] { train_sentencepiece(small_corpus(), 100, folder_ / "x"); });
  expect_error(ErrorKind::input, "larger vocabulary", [&] { train_sentencepiece(small_corpus(), 265, folder_ / "x"); });
  expect_error(ErrorKind::storage, "no_such", [&] { train_sentencepiece(small_corpus(), 400, folder_ / "no_such/x"); });
  EXPECT_FALSE(fs::exists(folder_ / "x"));
}

TEST_F(TokenizerTest, MissingOrCorruptModelIsNamed) {
  expect_error(ErrorKind::storage, "absent.model", [&] { Tokenizer::load(folder_ / "absent.model"); });
  write_file_atomic(folder_ / "empty.model", "");
  expect_error(ErrorKind::input, "pack the data again", [&] { Tokenizer::load(folder_ / "empty.model"); });
  write_file_atomic(folder_ / "text.model", "this is not a model");
  expect_error(ErrorKind::input, "pack the data again", [&] { Tokenizer::load(folder_ / "text.model"); });
  const std::string whole = read_text_file(model_path());
  write_file_atomic(folder_ / "cut.model", whole.substr(0, whole.size() / 2));
  expect_error(ErrorKind::input, "cut.model", [&] { Tokenizer::load(folder_ / "cut.model"); });
}

}  // namespace
}  // namespace clip_hpc
