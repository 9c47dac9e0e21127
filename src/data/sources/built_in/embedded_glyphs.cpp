#include "clip_hpc/data/sources/built_in/embedded_glyphs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <set>
#include <unordered_map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/sha256.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/sources/built_in/font_face.hpp"
#include "clip_hpc/data/sources/built_in/glyph_faces.hpp"
#include "clip_hpc/data/sources/built_in/unicode_text.hpp"

namespace clip_hpc {
namespace {

constexpr int kHeldOutLetterPercent = 20;
constexpr int kHeldOutPairPercent = 10;

struct Pair {
  std::uint32_t letter;
  std::uint32_t face;
};

// What the splits of one opened set share.
struct GlyphSet {
  FontLibrary library;
  std::vector<GlyphFace> faces;
  std::vector<FontFace> fonts;          // one a face
  std::vector<NamedCharacter> letters;  // in order of their code; each is drawn by some face
  std::vector<std::int32_t> held_out;   // one a letter: its index among the held-out ones, or -1
  LineBox box;
};

// The blocks that the three default scripts are taken from; the micro sign is no letter of a script.
bool in_default_blocks(char32_t code) {
  return (code <= 0x24F && code != 0xB5) || (code >= 0x370 && code <= 0x52F) || (code >= 0x1E00 && code <= 0x1EFF);
}

// Coptic letters of the Greek block count as Greek.
std::string script_of(const NamedCharacter& character) {
  const std::string word = character.name.substr(0, character.name.find(' '));
  return word == "coptic" && character.code < 0x400 ? "greek" : word;
}

std::vector<NamedCharacter> choose_characters(const GlyphOptions& options) {
  std::vector<NamedCharacter> all = read_unicode_data(options.unicode_data);
  if (options.scripts == "all") {
    std::erase_if(all, [](const auto& c) { return std::string_view("LNSP").find(c.category[0]) == std::string::npos; });
    return all;
  }
  const std::set<std::string, std::less<>> cased = {"latin", "greek", "cyrillic"};
  std::set<std::string, std::less<>> wanted;
  for (const auto word : split_text(options.scripts, ',')) wanted.emplace(trim(word));
  std::set<std::string, std::less<>> found;
  std::erase_if(all, [&](const NamedCharacter& c) {
    const std::string script = script_of(c);
    const bool letter = cased.contains(script) ? in_default_blocks(c.code) && (c.category == "Lu" || c.category == "Ll")
                                               : c.category[0] == 'L';
    if (!letter || !wanted.contains(script)) return true;
    found.insert(script);
    return false;
  });
  for (const auto& script : wanted) {
    if (found.contains(script)) continue;
    throw input_error(
        "no letter's Unicode name begins with '{}': scripts is \"all\" or a list such as "
        "\"latin,greek,cyrillic,armenian\"",
        script);
  }
  return all;
}

// All drawable (letter, face) pairs; drops the letters that no face has, so that every class can be shown.
std::vector<Pair> find_pairs(GlyphSet& set) {
  std::unordered_map<char32_t, std::uint32_t> index_of;
  for (std::uint32_t i = 0; i < set.letters.size(); ++i) index_of.emplace(set.letters[i].code, i);
  std::vector<Pair> pairs;
  std::vector<bool> drawn(set.letters.size(), false);
  for (std::uint32_t face = 0; face < set.fonts.size(); ++face) {
    for (const char32_t code : set.fonts[face].characters()) {
      const auto at = index_of.find(code);
      if (at == index_of.end()) continue;
      const std::string& category = set.letters[at->second].category;
      // Only spaces, fillers and the like have no ink, and none of them has a case.
      if (category != "Lu" && category != "Ll" && set.fonts[face].is_blank(code)) continue;
      pairs.push_back({at->second, face});
      drawn[at->second] = true;
    }
  }
  std::vector<std::uint32_t> new_index(set.letters.size(), 0);
  std::vector<NamedCharacter> kept;
  for (std::size_t i = 0; i < set.letters.size(); ++i) {
    new_index[i] = static_cast<std::uint32_t>(kept.size());
    if (drawn[i]) kept.push_back(std::move(set.letters[i]));
  }
  set.letters = std::move(kept);
  for (auto& pair : pairs) pair.letter = new_index[pair.letter];
  return pairs;
}

PackedSample draw_pair(const GlyphSet& set, const Pair& pair, bool training, bool held_out_names) {
  const NamedCharacter& letter = set.letters[pair.letter];
  const GlyphFace& face = set.faces[pair.face];
  PackedSample sample;
  sample.image = set.fonts[pair.face].draw_in_line(letter.code, set.box);
  sample.width = sample.height = static_cast<std::uint32_t>(set.box.size);
  sample.captions = letter.name;
  if (training && !face.style.empty()) sample.captions += fmt::format("\n{}, {}", letter.name, face.style);
  sample.uid = hash_uid(fmt::format("glyph:{}/{}", static_cast<std::uint32_t>(letter.code), face.stem));
  sample.labels["label"] = held_out_names ? set.held_out[pair.letter] : static_cast<std::int32_t>(pair.letter);
  if (held_out_names) sample.labels["label_all"] = static_cast<std::int32_t>(pair.letter);
  return sample;
}

struct SplitPairs {
  const char* name;
  std::vector<Pair> pairs;
};

std::vector<SplitPairs> divide(const GlyphSet& set, const std::vector<Pair>& pairs) {
  std::vector<SplitPairs> splits = {{"train", {}}, {"test_letters", {}}, {"test_pairs", {}}, {"test_faces", {}}};
  for (const Pair& pair : pairs) {
    const GlyphFace& face = set.faces[pair.face];
    const bool letter_out = set.held_out[pair.letter] >= 0;
    if (face.held_out && letter_out) continue;  // two shifts at once would be neither test
    const auto code = static_cast<std::uint32_t>(set.letters[pair.letter].code);
    const bool pair_out = hash_percent(fmt::format("{}/{}", code, face.stem)) < kHeldOutPairPercent;
    splits[face.held_out ? 3 : letter_out ? 1 : pair_out ? 2 : 0].pairs.push_back(pair);
  }
  return splits;
}

}  // namespace

bool is_held_out_letter(const std::string& name) {
  return name.find(" with ") != std::string::npos && hash_percent(name) < kHeldOutLetterPercent;
}

std::vector<EmbeddedSplit> open_glyphs(const GlyphOptions& options) {
  if (options.size < 8 || options.size > 1024) throw input_error("size must be 8 to 1024 pixels, got {}", options.size);
  auto set = std::make_shared<GlyphSet>();
  set->box.size = options.size;
  set->letters = choose_characters(options);
  GlyphFaceList list = find_glyph_faces(options.font_dirs, options.faces);
  for (auto& face : list.faces) {
    FontFace font(set->library, face.path);
    if (!font.has_outlines()) continue;
    set->fonts.push_back(std::move(font));
    set->faces.push_back(std::move(face));
  }
  const std::vector<Pair> pairs = find_pairs(*set);

  std::vector<std::string> all_names;
  std::vector<std::string> held_out_names;
  for (const auto& letter : set->letters) {
    const bool out = is_held_out_letter(letter.name);
    set->held_out.push_back(out ? static_cast<std::int32_t>(held_out_names.size()) : -1);
    all_names.push_back(letter.name);
    if (out) held_out_names.push_back(letter.name);
  }

  std::vector<EmbeddedSplit> splits;
  for (auto& [name, chosen] : divide(*set, pairs)) {
    EmbeddedSplit split;
    split.name = name;
    split.count = chosen.size();
    const bool training = split.name == "train";
    const bool letters = split.name == "test_letters";
    split.classnames["label"] = letters ? held_out_names : all_names;
    if (letters) split.classnames["label_all"] = all_names;
    split.templates = {"{c}"};
    split.source = fmt::format(
        "glyphs: {} characters ({}) in {} faces ({}) of the DejaVu and Noto fonts, {} pixels; names "
        "of UnicodeData.txt",
        set->letters.size(), options.scripts, set->faces.size(), options.faces, options.size);
    split.licence = "DejaVu: Bitstream Vera licence; Noto: SIL OFL 1.1; names: Unicode licence";
    if (!split.classnames["label"].empty()) {
      split.baseline["chance"] = 1.0 / static_cast<double>(split.classnames["label"].size());
    }
    if (!list.missing.empty()) {
      split.warnings.push_back(
          fmt::format("{} of the {} faces are not installed ({}): install fonts-dejavu-core "
                      "fonts-dejavu-extra fonts-noto-core for the published set",
                      list.missing.size(), options.faces, join_text(list.missing, " ")));
    }
    const KeyedPermutation order(split.count, options.seed, Purpose::pack, splits.size());
    split.render = [set, order, training, letters, items = std::move(chosen)](std::uint64_t index) {
      if (index >= items.size()) throw internal_error("glyph {} of {}", index, items.size());
      return draw_pair(*set, items[order(index)], training, letters);
    };
    splits.push_back(std::move(split));
  }
  return splits;
}

OpenSource declare_glyphs(ArgumentTable& words) {
  struct Words {
    EmbeddedOptions common;
    GlyphOptions glyphs;
  };
  const auto o = std::make_shared<Words>();
  words.add("faces", o->glyphs.faces, "core (36), small (14) or all (about 290)", one_of({"core", "small", "all"}));
  words.add("scripts", o->glyphs.scripts, "first words of Unicode names, or all");
  declare_embedded(words, o->common, o->glyphs.size);
  return [o] {
    GlyphOptions options = o->glyphs;
    if (o->common.size > 0) options.size = static_cast<int>(o->common.size);
    options.seed = static_cast<std::uint64_t>(o->common.seed);
    return opened_from(open_glyphs(options), o->common);
  };
}

}  // namespace clip_hpc
