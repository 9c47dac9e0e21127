#include "clip_hpc/text/clip_clean.hpp"

#include <unicode/locid.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <unordered_map>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

#include "text/html_entities.inc"

using Text = std::u32string;

Text from_utf8(std::string_view bytes) {
  Text text;
  const auto* data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  for (std::size_t i = 0; i < bytes.size();) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(data, i, bytes.size(), c);
    text.push_back(static_cast<char32_t>(c));
  }
  return text;
}

icu::UnicodeString to_icu(const Text& text) {
  return icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(text.data()),
                                       static_cast<std::int32_t>(text.size()));
}

Text from_icu(const icu::UnicodeString& string) {
  Text text;
  for (std::int32_t i = 0; i < string.length(); i = string.moveIndex32(i, 1)) {
    text.push_back(static_cast<char32_t>(string.char32At(i)));
  }
  return text;
}

Text normalised(const Text& text, const icu::Normalizer2* (*form)(UErrorCode&)) {
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = form(status);
  icu::UnicodeString result;
  if (U_SUCCESS(status)) result = normalizer->normalize(to_icu(text), status);
  if (U_FAILURE(status)) throw internal_error("ICU cannot normalise a caption: {}", u_errorName(status));
  return from_icu(result);
}

// --- HTML entities ---------------------------------------------------------------------------------------------------
struct Entity {
  Text text;
  bool bare = false;  // known without a semicolon
};
using Entities = std::unordered_map<std::string, Entity>;

Entities parse_entities(std::string_view list) {
  Entities entities;
  while (!list.empty()) {
    const std::string_view item = list.substr(0, list.find(' '));
    list.remove_prefix(item.size() + 1);
    std::string_view name = item.substr(0, item.find(':')), codes = item.substr(name.size() + 1);
    Entity entity;
    entity.bare = name.ends_with('!');
    if (entity.bare) name.remove_suffix(1);
    while (!codes.empty()) {
      const std::string_view code = codes.substr(0, codes.find('+'));
      std::uint32_t value = 0;
      std::from_chars(code.data(), code.data() + code.size(), value, 16);
      entity.text.push_back(value);
      codes.remove_prefix(std::min(codes.size(), code.size() + 1));
    }
    entities.emplace(name, std::move(entity));
  }
  return entities;
}

const Entities& html_entities() {
  static const Entities entities = parse_entities(kEntities);
  return entities;
}

const Entities& capital_entities() {
  static const Entities entities = parse_entities(kCapitalEntities);
  return entities;
}

// What the bytes 0x80 to 0x9F mean in Windows-1252; those without a meaning stay.
constexpr std::array<char32_t, 32> kWindows1252{0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
                                                0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,   0x017D, 0x8F,
                                                0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
                                                0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};

bool is_digit(char32_t c) { return c >= U'0' && c <= U'9'; }
bool is_hex_digit(char32_t c) { return is_digit(c) || (c >= U'a' && c <= U'f') || (c >= U'A' && c <= U'F'); }
bool is_ascii_letter(char32_t c) { return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z'); }

// The text of &#code; as browsers take it.
Text of_code(std::uint64_t code) {
  if (code == 0) return U"\uFFFD";
  if (code == 0x0D) return U"\r";
  if (code >= 0x80 && code <= 0x9F) return Text(1, kWindows1252[code - 0x80]);
  if ((code >= 0xD800 && code <= 0xDFFF) || code > 0x10FFFF) return U"\uFFFD";
  const bool invalid = (code >= 0x1 && code <= 0x8) || (code >= 0xE && code <= 0x1F) || code == 0x7F || code == 0xB ||
                       (code >= 0xFDD0 && code <= 0xFDEF) || (code & 0xFFFE) == 0xFFFE;
  return invalid ? Text() : Text(1, static_cast<char32_t>(code));
}

// Python's html.unescape.
Text unescape(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != U'&') {
      out.push_back(text[i++]);
      continue;
    }
    std::size_t end = i + 1;
    if (end < text.size() && text[end] == U'#') {
      const bool hex = end + 1 < text.size() && (text[end + 1] == U'x' || text[end + 1] == U'X');
      const std::size_t first = end + (hex ? 2 : 1);
      std::uint64_t code = 0;
      for (end = first; end < text.size() && (hex ? is_hex_digit(text[end]) : is_digit(text[end])); ++end) {
        const char32_t c = text[end];
        const std::uint64_t digit = is_digit(c) ? c - U'0' : (c | 0x20) - U'a' + 10;
        code = std::min<std::uint64_t>(code * (hex ? 16 : 10) + digit, 0x110000);
      }
      if (end > first) {
        out += of_code(code);
        i = end + (end < text.size() && text[end] == U';' ? 1 : 0);
        continue;
      }
      out.push_back(text[i++]);
      continue;
    }
    std::string name;  // up to 32 characters; an entity's are ASCII, so anything else ends the search for one
    const auto goes_on = [&](char32_t c) {
      return c != U'\t' && c != U'\n' && c != U'\f' && c != U' ' && c != U'<' && c != U'&' && c != U'#' && c != U';';
    };
    for (; end < text.size() && name.size() < 32 && goes_on(text[end]); ++end) {
      name.push_back(text[end] < 0x80 ? static_cast<char>(text[end]) : '\x7f');
    }
    const bool closed = end < text.size() && text[end] == U';';
    const Entities& known = html_entities();
    if (const auto found = known.find(name); found != known.end() && (closed || found->second.bare)) {
      out += found->second.text;
      i = end + (closed ? 1 : 0);
      continue;
    }
    std::size_t length = name.size();  // the longest beginning that needs no semicolon
    for (; length > 1; --length) {
      const auto found = known.find(name.substr(0, length));
      if (found == known.end() || !found->second.bare) continue;
      out += found->second.text;
      i += 1 + length;
      break;
    }
    if (length <= 1) out.push_back(text[i++]);
  }
  return out;
}

// ftfy's: entities that end in a semicolon, and capitals.
Text unescape_closed(const Text& text) {
  Text out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] != U'&') {
      out.push_back(text[i++]);
      continue;
    }
    const bool numeric = i + 1 < text.size() && text[i + 1] == U'#';
    const std::size_t first = i + (numeric ? 2 : 1);
    std::size_t end = first;
    while (end < text.size() && (is_digit(text[end]) || is_ascii_letter(text[end]))) ++end;
    const bool whole = end > first && end - first <= 24 && end < text.size() && text[end] == U';';
    Text replaced;
    bool known = false;
    if (whole && numeric) {
      replaced = unescape(text.substr(i, end + 1 - i));
      known = replaced.find(U';') == Text::npos;
    } else if (whole) {
      const std::string name(text.begin() + static_cast<std::ptrdiff_t>(first),
                             text.begin() + static_cast<std::ptrdiff_t>(end));
      for (const Entities* entities : {&html_entities(), &capital_entities()}) {
        const auto found = entities->find(name);
        if (known || found == entities->end()) continue;
        replaced = found->second.text;
        known = true;
      }
    }
    if (known) {
      out += replaced;
      i = end + 1;
    } else {
      out.push_back(text[i++]);
    }
  }
  return out;
}

// --- ftfy's fixes, in its order, without the guess of a wrong encoding
// -------------------------------------------------
const char32_t* ligature(char32_t c) {
  static const std::unordered_map<char32_t, const char32_t*> ligatures{
      {0x132, U"IJ"},      {0x133, U"ij"},      {0x149, U"\u02BCn"},  {0x1F1, U"DZ"},  {0x1F2, U"Dz"},  {0x1F3, U"dz"},
      {0x1C4, U"D\u017D"}, {0x1C5, U"D\u017E"}, {0x1C6, U"d\u017E"},  {0x1C7, U"LJ"},  {0x1C8, U"Lj"},  {0x1C9, U"lj"},
      {0x1CA, U"NJ"},      {0x1CB, U"Nj"},      {0x1CC, U"nj"},       {0xFB00, U"ff"}, {0xFB01, U"fi"}, {0xFB02, U"fl"},
      {0xFB03, U"ffi"},    {0xFB04, U"ffl"},    {0xFB05, U"\u017Ft"}, {0xFB06, U"st"}};
  const auto found = ligatures.find(c);
  return found == ligatures.end() ? nullptr : found->second;
}

bool is_dropped_control(char32_t c) {
  return c <= 0x08 || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || (c >= 0x206A && c <= 0x206F) ||
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFC);
}

// Colours of a terminal: ESC [ digits and semicolons, letter.
std::size_t terminal_escape(const Text& text, std::size_t i) {
  if (text[i] != 0x1B || i + 1 >= text.size() || text[i + 1] != U'[') return 0;
  std::size_t end = i + 2;
  while (end < text.size() && (is_digit(text[end]) || text[end] == U';')) ++end;
  return end < text.size() && is_ascii_letter(text[end]) ? end + 1 - i : 0;
}

Text plain_characters(const Text& text) {
  Text out;
  for (const char32_t c : text) {
    if (c >= 0x80 && c <= 0x9F) {
      out.push_back(kWindows1252[c - 0x80]);
    } else if (const char32_t* letters = ligature(c)) {
      out += letters;
    } else if (c == 0x3000) {
      out.push_back(U' ');
    } else if (c >= 0xFF01 && c <= 0xFFEF) {
      out += normalised(Text(1, c), icu::Normalizer2::getNFKCInstance);
    } else {
      out.push_back(c);
    }
  }
  for (char32_t& c : out) {
    if (c == 0x2BC || (c >= 0x2018 && c <= 0x201B)) c = U'\'';
    if (c >= 0x201C && c <= 0x201F) c = U'"';
    if (c == U'\r' || c == 0x2028 || c == 0x2029 || c == 0x85) c = U'\n';  // all of them are white space
  }
  Text kept;
  for (std::size_t i = 0; i < out.size();) {
    if (const std::size_t length = terminal_escape(out, i); length > 0) {
      i += length;
      continue;
    }
    if (!is_dropped_control(out[i])) kept.push_back(out[i]);
    ++i;
  }
  return normalised(kept, icu::Normalizer2::getNFCInstance);
}

Text fixed(const Text& text) {
  Text out;
  bool unescapes = true;  // until the text looks like HTML itself
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t newline = text.find(U'\n', begin);
    const std::size_t end = newline == Text::npos ? text.size() : newline + 1;
    Text segment = text.substr(begin, end - begin);
    unescapes = unescapes && segment.find(U'<') == Text::npos;
    const bool of_segment = unescapes;
    for (Text before; before != segment;) {
      before = segment;
      segment = plain_characters(of_segment ? unescape_closed(segment) : segment);
    }
    out += segment;
    begin = end;
  }
  return out;
}

// As Python's str.split takes them.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

Text single_spaced(const Text& text) {
  Text out;
  for (const char32_t c : text) {
    if (!is_space(c)) {
      out.push_back(c);
    } else if (!out.empty() && out.back() != U' ') {
      out.push_back(U' ');
    }
  }
  if (!out.empty() && out.back() == U' ') out.pop_back();
  return out;
}

// Nothing to mend but spaces and capitals: most captions.
bool is_plain(std::string_view caption) {
  return std::ranges::all_of(caption, [](char c) {
    return (c >= ' ' && c <= '~' && c != '&') || c == '\t' || c == '\n' || c == '\r' || c == '\f';
  });
}

std::string plain_clean(std::string_view caption) {
  std::string out;
  for (const char c : caption) {
    if (c > ' ') {
      out.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    } else if (!out.empty() && out.back() != ' ') {
      out.push_back(' ');
    }
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string lowered(const Text& text) {
  std::string lower;
  icu::UnicodeString string = to_icu(text);
  string.toLower(icu::Locale::getRoot()).toUTF8String(lower);
  return lower;
}

bool is_ascii_punctuation(char32_t c) {  // Python's string.punctuation
  return (c >= U'!' && c <= U'/') || (c >= U':' && c <= U'@') || (c >= U'[' && c <= U'`') || (c >= U'{' && c <= U'~');
}

template <class String>
String without_punctuation(String text) {
  using Character = typename String::value_type;
  std::ranges::replace(text, Character{'_'}, Character{' '});
  std::erase_if(text, [](Character c) { return is_ascii_punctuation(static_cast<char32_t>(c)); });
  return text;
}

}  // namespace

std::string clip_clean(std::string_view caption) {
  if (is_plain(caption)) return plain_clean(caption);
  return lowered(single_spaced(unescape(unescape(fixed(from_utf8(caption))))));
}

std::string canonical_clean(std::string_view caption) {
  if (is_plain(caption)) return plain_clean(without_punctuation(std::string(caption)));
  // Punctuation goes before capitals do: a capital sigma is lowered by its neighbours.
  return lowered(single_spaced(without_punctuation(unescape(unescape(fixed(from_utf8(caption)))))));
}

}  // namespace clip_hpc
