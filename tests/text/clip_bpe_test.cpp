// The tokens themselves are compared with open_clip's by tests/parity/clip_tokenizer_test.sh: the merges are not ours
// to carry. Here: what is no file of merges, and how captions are cut and padded, with merges made for the test.
#include "clip_hpc/text/clip_bpe.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

constexpr int kMerges = 48894, kStart = 49406, kEnd = 49407;

// "c a", "ca t</w>", then merges of pairs of bytes that are printable, which no caption here has.
std::string merges() {
  std::string text = "\"bpe_simple_vocab_16e6.txt#version: 0.2\nc a\nca t</w>\n";
  int n = 2;
  std::string symbols;
  for (char a = '!'; a <= '/'; ++a) {
    for (char b = '!'; b <= '/'; ++b) symbols += {a, b};
  }
  for (int round = 0; n < kMerges; ++round) {
    for (std::size_t i = 0; i < symbols.size() && n < kMerges; i += 2, ++n) {
      text += fmt::format("{} {}\n", symbols.substr(i, 1), symbols.substr(i + 1, 1));
    }
  }
  return text;
}

TEST(ClipBpe, MergesTheFirstPairOfTheFileFirst) {
  const ClipBpe bpe = ClipBpe::parse(merges(), "merges");
  EXPECT_EQ(bpe.vocab_size(), 49408);
  EXPECT_EQ(bpe.start_id(), kStart);
  EXPECT_EQ(bpe.end_id(), kEnd);
  const std::vector<int> cat = bpe.encode("CAT");
  EXPECT_EQ(cat, std::vector<int>{513});
  EXPECT_EQ(bpe.encode("cat cats").size(), 1U + 3U);  // ca t s</w>
  EXPECT_EQ(bpe.decode(bpe.encode("A cat, 12 caf\u00e9s")), "a cat , 1 2 caf\u00e9s");
  EXPECT_EQ(bpe.encode("<end_of_text>"), std::vector<int>{kEnd});
  EXPECT_TRUE(bpe.encode(" \n ").empty());
}

TEST(ClipBpe, OfATokenizerIsCutWithItsEndAndPaddedWithZeros) {
  const Scratch folder;
  write_file_atomic(folder / "clip.txt", merges());
  const Tokenizer tokenizer = Tokenizer::load(folder / "clip.txt");
  EXPECT_TRUE(tokenizer.is_clip());
  EXPECT_EQ(tokenizer.pad_id(), 0);
  EXPECT_EQ(tokenizer.encode("cat", 5), (std::vector<std::int32_t>{kStart, 513, kEnd, 0, 0}));
  EXPECT_EQ(tokenizer.encode("cat cat cat cat", 4), (std::vector<std::int32_t>{kStart, 513, 513, kEnd}));
  EXPECT_EQ(tokenizer.encode("cat", 1), std::vector<std::int32_t>{kEnd});
  EXPECT_EQ(tokenizer.tokens("cat cat"), (std::vector<std::int32_t>{kStart, 513, 513, kEnd}));
  EXPECT_EQ(tokenizer.length(tokenizer.encode("cat", 5)), 3);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("cat", 5)), "cat");
  const std::vector<std::string> captions{"cat", "cat cat cat cat"};
  EXPECT_EQ(tokenizer.encode_batch(captions, 4).lengths, (std::vector<std::int32_t>{3, 4}));
}

TEST(ClipBpe, AFileThatIsNotWholeIsRefused) {
  const Scratch folder;
  const auto refused = [&](const std::string& bytes, const std::string& words) {
    write_file_atomic(folder / "cut.txt", bytes);
    try {
      Tokenizer::load(folder / "cut.txt");
      ADD_FAILURE() << words;
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::input);
      EXPECT_NE(std::string(problem.what()).find(words), std::string::npos) << problem.what();
    }
  };
  const std::string whole = merges();
  refused(whole.substr(0, whole.find('\n', whole.size() / 2) + 1), "merges, not 48894");
  refused("\"bpe_simple_vocab_16e6.txt#version: 0.2\nc a\nlonely\n", "line 3 is no merge");
  std::string other = whole;
  other.replace(other.find("ca t</w>"), 8, "cx t</w>");
  refused(other, "line 3 merges a piece that is not there");
  refused("\x1f\x8b\x08", "gzip -d");
}

}  // namespace
}  // namespace clip_hpc
