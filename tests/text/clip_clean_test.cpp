// What open_clip's cleaning makes of a caption; tests/parity/clip_tokenizer_test.sh compares thousands of them.
#include "clip_hpc/text/clip_clean.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

TEST(ClipClean, SpacesAndCapitals) {
  EXPECT_EQ(clip_clean("  A  Red\tHeart \n"), "a red heart");
  EXPECT_EQ(clip_clean(""), "");
  EXPECT_EQ(clip_clean("\u00A0ΟΔΟΣ\u3000ÀÉ"), "οδος àé");  // the last sigma of a word has a form of its own
}

TEST(ClipClean, Entities) {
  EXPECT_EQ(clip_clean("a &amp;lt; b"), "a < b");
  EXPECT_EQ(clip_clean("caf&eacute; &EACUTE; &#233; &#xE9;"), "café é é é");
  EXPECT_EQ(clip_clean("&notit; &notin; &copy 2020 &nosuch;"), "¬it; ∉ © 2020 &nosuch;");
  EXPECT_EQ(clip_clean("&#128; &#0; &#x110000; &#7; &"), "€ \uFFFD \uFFFD &");
  EXPECT_EQ(clip_clean("<b>&amp;</b>"), "<b>&</b>");  // html.unescape does what ftfy leaves alone
}

TEST(ClipClean, CharactersThatStandForOthers) {
  EXPECT_EQ(clip_clean("“It’s” ﬁne ＦＵＬＬ ｶ"), "\"it's\" fine full カ");
  EXPECT_EQ(clip_clean("e\u0301 \u001b[31mred\u001b[0m a\u0007b\uFEFF"), "é red ab");
}

TEST(CanonicalClean, PunctuationGoes) {
  EXPECT_EQ(canonical_clean(" A photo_of the  Red-haired cat's toy, 3.5 m!\n"),
            "a photo of the redhaired cats toy 35 m");
  EXPECT_EQ(canonical_clean("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"), "");
  EXPECT_EQ(canonical_clean("“It’s” &amp; caf&eacute; – ½"), "its café – ½");  // ftfy's quotes are ASCII ones
  EXPECT_EQ(canonical_clean("ΑΣ-Α ΑΣ"), "ασα ας");                             // lowered when the hyphen is gone
  EXPECT_EQ(canonical_clean("&lt;b&gt;A_B"), "ba b");
}

}  // namespace
}  // namespace clip_hpc
