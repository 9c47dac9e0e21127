// The colour emoji of the Noto font with Unicode's names, keywords and groups: the pretty demonstration set.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "clip_hpc/data/sources/built_in/embedded_split.hpp"

namespace clip_hpc {

struct EmojiOptions {
  std::filesystem::path noto_font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";
  std::filesystem::path symbola_font = "/usr/share/fonts/truetype/ancient-scripts/Symbola_hint.ttf";
  std::filesystem::path emoji_test = "/usr/share/unicode/emoji/emoji-test.txt";
  // Folder with annotations/en.xml and annotationsDerived/en.xml (CLDR's common folder). When it does not exist the
  // captions have no keywords, and a warning says so.
  std::filesystem::path cldr_dir = "/usr/share/unicode/cldr/common";
  int size = 48;           // pixels a side, RGB
  std::uint64_t seed = 0;  // order of the samples and choice of the caption keywords
};

// train, test (emoji never trained on: hash_percent("emoji:" + base) below 20) and, where the Symbola font is
// installed, test_symbola: black-and-white twins of the test emoji. `label` = subgroup, `label_group` = group.
std::vector<EmbeddedSplit> open_emoji(const EmojiOptions& options);

OpenSource declare_emoji(ArgumentTable& words);

}  // namespace clip_hpc
