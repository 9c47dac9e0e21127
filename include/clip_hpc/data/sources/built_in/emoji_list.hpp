// The emoji of emoji-test.txt with their groups, and the English names and keywords of CLDR.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clip_hpc {

struct EmojiEntry {
  std::u32string sequence;  // as emoji-test.txt gives it
  std::u32string base;      // without U+FE0F: the key of the annotations and of the split
  std::string name;
  std::vector<std::string> keywords;  // empty when CLDR is absent or does not know the emoji
  int subgroup = 0;                   // index into EmojiList::subgroups
  int group = 0;
  bool named_by_cldr = false;
};

struct EmojiList {
  std::vector<EmojiEntry> entries;  // fully qualified, without skin tones
  std::vector<std::string> groups;  // readable: "smileys and emotion"
  std::vector<std::string> subgroups;
};

// cldr_dir holds annotations/en.xml and annotationsDerived/en.xml; an empty path means names of emoji_test alone.
EmojiList read_emoji_list(const std::filesystem::path& emoji_test, const std::filesystem::path& cldr_dir);

}  // namespace clip_hpc
