// CLIP's own byte-pair vocabulary of 49408 pieces: the tokens of open_clip's SimpleTokenizer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace clip_hpc {

class ClipBpe {
 public:
  static constexpr std::size_t kMerges = 49152 - 256 - 2;  // that count; open_clip leaves the file's others

  // Whether a file is bpe_simple_vocab_16e6.txt, unpacked, or transformers' merges.txt.
  static bool is_merges(std::string_view bytes);
  static ClipBpe parse(std::string_view bytes, const std::string& name);  // throws input, naming the file

  std::vector<int> encode(std::string_view caption) const;  // without start and end; any text can be encoded
  std::string decode(const std::vector<int>& tokens) const;
  int vocab_size() const { return static_cast<int>(texts_.size()); }
  // How the file writes the single bytes, in the order of their ids.
  static std::vector<std::string> byte_symbols();

  int start_id() const { return vocab_size() - 2; }
  int end_id() const { return vocab_size() - 1; }

 private:
  struct Merge {
    int rank, into;
  };
  static std::uint64_t key(int left, int right) {
    return static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint32_t>(right);
  }
  void append_word(std::string_view word, std::vector<int>& tokens) const;

  std::vector<std::string> texts_;                   // bytes of each id; an end of a word is a space
  std::unordered_map<std::uint64_t, Merge> merges_;  // of two ids
};

}  // namespace clip_hpc
