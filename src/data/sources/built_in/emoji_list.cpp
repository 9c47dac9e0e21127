#include "clip_hpc/data/sources/built_in/emoji_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/sources/built_in/unicode_text.hpp"

namespace clip_hpc {
namespace {

constexpr char32_t kEmojiPresentation = 0xFE0F;

struct Annotation {
  std::string name;
  std::vector<std::string> keywords;
};
using Annotations = std::map<std::u32string, Annotation>;

bool is_skin_tone(char32_t code) { return code >= 0x1F3FB && code <= 0x1F3FF; }

std::u32string without_presentation(std::u32string sequence) {
  std::erase(sequence, kEmojiPresentation);
  return sequence;
}

// "face-smiling" → "face smiling", "Smileys & Emotion" → "smileys and emotion".
std::string readable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "and";
    } else {
      out += c == '-' ? ' ' : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return out;
}

std::string undo_entities(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, char>, 5> kEntities = {
      {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}}};
  std::string out;
  while (!text.empty()) {
    const auto* entity = std::ranges::find_if(kEntities, [&](const auto& e) { return text.starts_with(e.first); });
    out.push_back(entity == kEntities.end() ? text.front() : entity->second);
    text.remove_prefix(entity == kEntities.end() ? 1 : entity->first.size());
  }
  return out;
}

std::string_view between(std::string_view line, std::string_view before, std::string_view after) {
  const std::size_t begin = line.find(before);
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin + before.size());
  const std::size_t end = line.find(after);
  return end == std::string_view::npos ? std::string_view{} : line.substr(0, end);
}

// CLDR writes one element a line: <annotation cp="…" [type="tts"]>text</annotation>; tts marks the name.
void read_annotations(const std::filesystem::path& path, Annotations& into) {
  const std::string text = read_package_file(path, "unicode-cldr-core");
  for (const std::string_view line : split_text(text, '\n')) {
    const auto key = between(line, "<annotation cp=\"", "\"");
    const auto value = trim(between(line, ">", "</annotation>"));
    if (key.empty() || value.empty() || value.find("\u2191\u2191\u2191") != std::string_view::npos)
      continue;  // inherit
    Annotation& annotation = into[without_presentation(from_utf8(undo_entities(key)))];
    if (line.find(" type=\"tts\"") != std::string_view::npos) {
      annotation.name = undo_entities(value);
      continue;
    }
    annotation.keywords.clear();
    for (const auto word : split_text(value, '|')) annotation.keywords.push_back(undo_entities(trim(word)));
  }
}

std::u32string read_sequence(std::string_view codes) {
  std::u32string sequence;
  for (const auto word : split_text(trim(codes), ' ')) {
    std::uint32_t code = 0;
    std::from_chars(word.data(), word.data() + word.size(), code, 16);
    sequence.push_back(code);
  }
  return sequence;
}

// "… # 😀 E1.0 grinning face" → "grinning face".
std::string name_in_comment(std::string_view line) {
  const std::size_t hash = line.find('#');
  if (hash == std::string_view::npos) return {};
  std::string_view rest = trim(line.substr(hash + 1));
  for (int word = 0; word < 2; ++word) rest.remove_prefix(std::min(rest.find(' ') + 1, rest.size()));
  return std::string(rest);
}

std::optional<std::string_view> heading(std::string_view line, std::string_view word) {
  if (!line.starts_with(word)) return std::nullopt;
  return trim(line.substr(word.size()));
}

}  // namespace

EmojiList read_emoji_list(const std::filesystem::path& emoji_test, const std::filesystem::path& cldr_dir) {
  Annotations annotations;
  if (!cldr_dir.empty()) {
    read_annotations(cldr_dir / "annotations" / "en.xml", annotations);
    read_annotations(cldr_dir / "annotationsDerived" / "en.xml", annotations);
  }
  EmojiList list;
  std::string group, subgroup;
  bool new_group = true, new_subgroup = true;
  const std::string text = read_package_file(emoji_test, "unicode-data");
  for (const std::string_view line : split_text(text, '\n')) {
    if (const auto name = heading(line, "# group:")) {
      group = readable(*name);
      new_group = new_subgroup = true;
    } else if (const auto sub = heading(line, "# subgroup:")) {
      subgroup = readable(*sub);
      new_subgroup = true;
    } else if (line.find("; fully-qualified") != std::string_view::npos) {
      EmojiEntry entry;
      entry.sequence = read_sequence(line.substr(0, line.find(';')));
      if (std::ranges::any_of(entry.sequence, is_skin_tone)) continue;
      // Only headings with a form of their own become classes (the skin tones' group has none).
      if (std::exchange(new_group, false)) list.groups.push_back(group);
      if (std::exchange(new_subgroup, false)) list.subgroups.push_back(subgroup);
      entry.group = static_cast<int>(list.groups.size()) - 1;
      entry.subgroup = static_cast<int>(list.subgroups.size()) - 1;
      entry.base = without_presentation(entry.sequence);
      entry.name = name_in_comment(line);
      if (const auto at = annotations.find(entry.base); at != annotations.end()) {
        entry.named_by_cldr = !at->second.name.empty();
        if (entry.named_by_cldr) entry.name = at->second.name;
        entry.keywords = at->second.keywords;
      }
      list.entries.push_back(std::move(entry));
    }
  }
  if (list.entries.empty()) {
    throw input_error("{} lists no emoji: it should be emoji-test.txt of the Debian package unicode-data",
                      emoji_test.native());
  }
  return list;
}

}  // namespace clip_hpc
