#include "clip_hpc/text/clip_bpe.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/text/clip_clean.hpp"

namespace clip_hpc {
namespace {

constexpr std::string_view kHead = "bpe_simple_vocab_16e6.txt#version", kPlainHead = "#version: 0.2";
constexpr int kBytes = 256;  // ids of single bytes; the same at the end of a word come after them
constexpr std::string_view kStart = "<start_of_text>", kEnd = "<end_of_text>";

// The file writes bytes as printable characters: these bytes as they are, all others as U+0100 and on.
bool is_printable(int byte) { return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD); }

// Bytes in the order of their ids, and the id of each byte.
struct ByteIds {
  std::array<int, kBytes> byte_of{}, id_of{};
  ByteIds() {
    int next = 0;
    for (const bool printable : {true, false}) {
      for (int byte = 0; byte < kBytes; ++byte) {
        if (is_printable(byte) != printable) continue;
        byte_of[static_cast<std::size_t>(next)] = byte;
        id_of[static_cast<std::size_t>(byte)] = next++;
      }
    }
  }
};
const ByteIds& byte_ids() {
  static const ByteIds ids;
  return ids;
}

int byte_of_character(UChar32 c) {
  if (c < kBytes) return is_printable(static_cast<int>(c)) ? static_cast<int>(c) : -1;
  const int place = static_cast<int>(c) - kBytes;
  const int printable = kBytes - 68;
  return place < 68 ? byte_ids().byte_of[static_cast<std::size_t>(printable + place)] : -1;
}

// A symbol of the file -> its bytes, the end of a word as a space (no byte of a word is one). Empty: it is none.
std::string bytes_of_symbol(std::string_view symbol) {
  constexpr std::string_view kWordEnd = "</w>";
  const bool ends = symbol.size() > kWordEnd.size() && symbol.ends_with(kWordEnd);
  if (ends) symbol.remove_suffix(kWordEnd.size());
  std::string bytes;
  const auto* data = reinterpret_cast<const std::uint8_t*>(symbol.data());
  for (std::size_t i = 0; i < symbol.size();) {
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(data, i, symbol.size(), c);
    const int byte = byte_of_character(c);
    if (byte < 0) return "";
    bytes.push_back(static_cast<char>(byte));
  }
  return ends ? bytes + ' ' : bytes;
}

enum class Kind { space, letter, number, symbol };

// open_clip's pattern: special tokens, endings after an apostrophe, words, single digits, runs of anything else.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::string_view next() {  // empty: the end
    while (place_ < text_.size() && kind_at(place_).first == Kind::space) place_ = kind_at(place_).second;
    const std::size_t begin = place_;
    if (begin >= text_.size()) return {};
    const std::string_view rest = text_.substr(begin);
    // Case is ignored, and the long s is another s.
    for (const std::string_view fixed : std::initializer_list<std::string_view>{kStart, kEnd, "'s", "'\u017F", "'t",
                                                                                "'re", "'ve", "'m", "'ll", "'d"}) {
      if (!rest.starts_with(fixed)) continue;
      place_ += fixed.size();
      return rest.substr(0, fixed.size());
    }
    const auto [kind, after] = kind_at(begin);
    place_ = after;
    while (kind != Kind::number && place_ < text_.size() && kind_at(place_).first == kind) {
      place_ = kind_at(place_).second;
    }
    return text_.substr(begin, place_ - begin);
  }

 private:
  std::pair<Kind, std::size_t> kind_at(std::size_t place) const {  // and where the next character begins
    UChar32 c = 0;
    U8_NEXT_OR_FFFD(reinterpret_cast<const std::uint8_t*>(text_.data()), place, text_.size(), c);
    const auto mask = U_GET_GC_MASK(c);
    if (u_isUWhiteSpace(c)) return {Kind::space, place};
    if ((mask & U_GC_L_MASK) != 0) return {Kind::letter, place};
    return {(mask & U_GC_N_MASK) != 0 ? Kind::number : Kind::symbol, place};
  }

  std::string_view text_;
  std::size_t place_ = 0;
};

}  // namespace

bool ClipBpe::is_merges(std::string_view bytes) {
  return bytes.starts_with(kPlainHead) || bytes.substr(0, 64).find(kHead) != std::string_view::npos;
}

std::vector<std::string> ClipBpe::byte_symbols() {
  std::vector<std::string> symbols;
  UChar32 other = kBytes;
  for (const int byte : byte_ids().byte_of) {
    const UChar32 c = is_printable(byte) ? byte : other++;
    std::string symbol(U8_MAX_LENGTH, '\0');
    std::size_t length = 0;
    U8_APPEND_UNSAFE(symbol.data(), length, c);
    symbol.resize(length);
    symbols.push_back(std::move(symbol));
  }
  return symbols;
}

ClipBpe ClipBpe::parse(std::string_view bytes, const std::string& name) {
  ClipBpe bpe;
  std::unordered_map<std::string, int> ids;
  const auto add = [&](std::string text) {
    ids[text] = static_cast<int>(bpe.texts_.size());  // of two merges into the same text the later one names it
    bpe.texts_.push_back(std::move(text));
  };
  for (const char* end : {"", " "}) {
    for (const int byte : byte_ids().byte_of) add(std::string(1, static_cast<char>(byte)) + end);
  }
  std::vector<std::pair<std::string, std::string>> pairs;
  std::size_t place = bytes.find('\n');
  while (place != std::string_view::npos && pairs.size() < kMerges) {
    const std::size_t begin = place + 1;
    place = bytes.find('\n', begin);
    std::string_view line = bytes.substr(begin, place == std::string_view::npos ? place : place - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    const std::size_t space = line.find(' ');
    std::string left = bytes_of_symbol(line.substr(0, space));
    std::string right = space == std::string_view::npos ? "" : bytes_of_symbol(line.substr(space + 1));
    if (left.empty() || right.empty()) {
      throw input_error("{}: line {} is no merge of two pieces: write the file again (jobs/setup.sh)", name,
                        pairs.size() + 2);
    }
    add(left + right);
    pairs.emplace_back(std::move(left), std::move(right));
  }
  if (pairs.size() != kMerges) {
    throw input_error("{} has {} merges, not {}: write the file again (jobs/setup.sh)", name, pairs.size(), kMerges);
  }
  for (std::size_t rank = 0; rank < pairs.size(); ++rank) {
    const auto& [left, right] = pairs[rank];
    const auto first = ids.find(left), second = ids.find(right);
    if (first == ids.end() || second == ids.end()) {
      throw input_error("{}: line {} merges a piece that is not there: write the file again (jobs/setup.sh)", name,
                        rank + 2);
    }
    bpe.merges_[key(first->second, second->second)] = {static_cast<int>(rank), ids.at(left + right)};
  }
  bpe.texts_.emplace_back(kStart);
  bpe.texts_.emplace_back(kEnd);
  return bpe;
}

void ClipBpe::append_word(std::string_view word, std::vector<int>& tokens) const {
  std::vector<int> pieces;
  for (const char c : word) pieces.push_back(byte_ids().id_of[static_cast<std::uint8_t>(c)]);
  pieces.back() += kBytes;
  while (pieces.size() > 1) {
    Merge best{std::numeric_limits<int>::max(), -1};
    std::uint64_t best_pair = 0;
    for (std::size_t i = 0; i + 1 < pieces.size(); ++i) {
      const auto found = merges_.find(key(pieces[i], pieces[i + 1]));
      if (found == merges_.end() || found->second.rank >= best.rank) continue;
      best = found->second;
      best_pair = found->first;
    }
    if (best.into < 0) break;
    std::size_t kept = 0;  // every place of the pair, from the left
    for (std::size_t i = 0; i < pieces.size(); ++kept) {
      const bool merges = i + 1 < pieces.size() && key(pieces[i], pieces[i + 1]) == best_pair;
      pieces[kept] = merges ? best.into : pieces[i];
      i += merges ? 2 : 1;
    }
    pieces.resize(kept);
  }
  tokens.insert(tokens.end(), pieces.begin(), pieces.end());
}

std::vector<int> ClipBpe::encode(std::string_view caption) const {
  const std::string text = clip_clean(caption);
  std::vector<int> tokens;
  Scanner scanner(text);
  for (std::string_view word = scanner.next(); !word.empty(); word = scanner.next()) {
    if (word == kStart) {
      tokens.push_back(start_id());
    } else if (word == kEnd) {
      tokens.push_back(end_id());
    } else {
      append_word(word, tokens);
    }
  }
  return tokens;
}

std::string ClipBpe::decode(const std::vector<int>& tokens) const {
  std::string text;
  for (const int token : tokens) text += texts_[static_cast<std::size_t>(token)];
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

}  // namespace clip_hpc
