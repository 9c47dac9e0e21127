// Captions → token ids, padded or cut to a fixed context with the end token always kept. Two kinds: a SentencePiece
// model (the paper's text input; padding = end token), and CLIP's own byte pairs (start token, padding = 0).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/text/clip_bpe.hpp"
#include "clip_hpc/text/lower_case.hpp"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace clip_hpc {

inline constexpr const char* kTokenizerFileName = "tokenizer.model";  // inside a packed set's folder, of either kind
inline constexpr int kFixedPieces = 3 + 256;  // of a trained model: pad, end, unknown, and one piece for each byte

struct TokenBatch {
  std::vector<std::int32_t> ids;      // [captions, context]
  std::vector<std::int32_t> lengths;  // [captions]: tokens with the first end token, padding left out
};

class Tokenizer {
 public:
  // The kind is told by the file: a SentencePiece model, or CLIP's merges (bpe_simple_vocab_16e6.txt).
  // lower_case, of a model that does not say itself (lower_case.hpp), changes ASCII letters only, as the peer
  // (big_vision) does; models of train_sentencepiece fold the case of every script themselves. Throws storage when the
  // file cannot be read, input when it is no usable model.
  static Tokenizer load(const std::filesystem::path& path, bool lower_case = true);
  static Tokenizer parse(const std::string& bytes, const std::filesystem::path& path, bool lower_case = true);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  bool is_clip() const { return clip_ != nullptr; }

  // Exactly `context` ids: the caption's tokens, cut so that the end token has its place, then padding.
  std::vector<std::int32_t> encode(std::string_view caption, int context) const;
  TokenBatch encode_batch(std::span<const std::string> captions, int context) const;
  // The same into `ids`, whose length is the context, at least 1; returns the tokens with the first end token.
  // Thread-safe.
  int encode_into(std::string_view caption, std::span<std::int32_t> ids) const;
  // All tokens of the caption, whatever their number, with the start token, where there is one, and one end token.
  std::vector<std::int32_t> tokens(std::string_view caption) const;
  // Tokens of one encoded caption, the first end token counted.
  int length(std::span<const std::int32_t> ids) const;
  std::string decode(std::span<const std::int32_t> ids) const;  // up to the end token

  int vocab_size() const;
  int eos_id() const { return eos_id_; }
  int pad_id() const { return is_clip() ? 0 : eos_id_; }

 private:
  Tokenizer(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor, int eos_id, Cleaning cleaning);
  explicit Tokenizer(ClipBpe clip);

  std::vector<int> pieces_of(std::string_view caption) const;  // with the start token, without the end token

  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  std::unique_ptr<const ClipBpe> clip_;  // one of the two
  int eos_id_ = 0;
  Cleaning cleaning_ = Cleaning::lower_ascii;
};

// What a user may call a tokenizer: a file, a packed set, a run folder, or "clip" for CLIP's own byte pairs, which
// jobs/setup.sh writes below the project's folder. Throws input where there is none.
std::filesystem::path tokenizer_path(const std::string& name);

// Trains a byte-pair model with byte fallback (any input can be encoded) and writes it atomically. vocab_size is an
// upper bound: a small corpus yields fewer pieces. The same captions give the same bytes. Lines of one caption string
// (several captions joined by '\n') count as captions of their own.
void train_sentencepiece(std::span<const std::string> captions, int vocab_size, const std::filesystem::path& out);

}  // namespace clip_hpc
