#include "clip_hpc/text/tokenizer.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

std::string to_lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

SentencePieceTokenizer::SentencePieceTokenizer(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor,
                                               int eos_id, bool lower_case)
    : processor_(std::move(processor)), eos_id_(eos_id), lower_case_(lower_case) {}
SentencePieceTokenizer::SentencePieceTokenizer(SentencePieceTokenizer&&) noexcept = default;
SentencePieceTokenizer& SentencePieceTokenizer::operator=(SentencePieceTokenizer&&) noexcept = default;
SentencePieceTokenizer::~SentencePieceTokenizer() = default;

SentencePieceTokenizer SentencePieceTokenizer::load(const std::filesystem::path& path, bool lower_case) {
  const std::string bytes = read_text_file(path);  // throws storage with the path
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  if (const auto status = processor->LoadFromSerializedProto(bytes); bytes.empty() || !status.ok()) {
    throw input_error("{} is not a SentencePiece model ({}): pack the data again, or name a .model file", path.native(),
                      bytes.empty() ? "the file is empty" : status.ToString());
  }
  const int eos_id = processor->eos_id();
  if (eos_id < 0) {
    throw input_error("the SentencePiece model {} has no end-of-sentence piece: train it with --eos_id", path.native());
  }
  return {std::move(processor), eos_id, lower_case};
}

std::vector<int> SentencePieceTokenizer::pieces_of(std::string_view caption) const {
  std::vector<int> tokens;
  const auto status = lower_case_ ? processor_->Encode(to_lower_ascii(caption), &tokens)
                                  : processor_->Encode({caption.data(), caption.size()}, &tokens);
  if (!status.ok()) throw internal_error("SentencePiece cannot encode a caption: {}", status.ToString());
  return tokens;
}

int SentencePieceTokenizer::encode_into(std::string_view caption, std::span<std::int32_t> ids) const {
  const std::vector<int> tokens = pieces_of(caption);
  const std::size_t kept = std::min(tokens.size(), ids.size() - 1);
  std::copy_n(tokens.begin(), kept, ids.begin());
  std::fill(ids.begin() + static_cast<std::ptrdiff_t>(kept), ids.end(), eos_id_);
  return static_cast<int>(kept) + 1;
}

std::vector<std::int32_t> SentencePieceTokenizer::encode(std::string_view caption, int context) const {
  if (context < 1) throw input_error("the text context must be at least 1 token, got {}", context);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(context));
  encode_into(caption, ids);
  return ids;
}

std::vector<std::int32_t> SentencePieceTokenizer::tokens(std::string_view caption) const {
  const std::vector<int> tokens = pieces_of(caption);
  std::vector<std::int32_t> ids(tokens.begin(), tokens.end());
  ids.push_back(eos_id_);
  return ids;
}

TokenBatch SentencePieceTokenizer::encode_batch(std::span<const std::string> captions, int context) const {
  if (context < 1) throw input_error("the text context must be at least 1 token, got {}", context);
  const auto width = static_cast<std::size_t>(context);
  TokenBatch batch;
  batch.ids.resize(captions.size() * width);
  batch.lengths.reserve(captions.size());
  for (std::size_t i = 0; i < captions.size(); ++i) {
    batch.lengths.push_back(encode_into(captions[i], std::span(batch.ids).subspan(i * width, width)));
  }
  return batch;
}

int SentencePieceTokenizer::length(std::span<const std::int32_t> ids) const {
  const auto end = std::ranges::find(ids, eos_id_);
  return static_cast<int>(end - ids.begin()) + (end == ids.end() ? 0 : 1);
}

std::string SentencePieceTokenizer::decode(std::span<const std::int32_t> ids) const {
  const std::vector<int> tokens(ids.begin(), std::ranges::find(ids, eos_id_));
  const int size = vocab_size();
  for (const int token : tokens) {  // the library aborts the program on an id outside its table
    if (token < 0 || token >= size) {
      throw input_error("token id {} is outside the vocabulary of {} pieces: was another tokenizer used?", token, size);
    }
  }
  std::string text;
  if (const auto status = processor_->Decode(tokens, &text); !status.ok()) {
    throw internal_error("SentencePiece cannot decode: {}", status.ToString());
  }
  return text;
}

int SentencePieceTokenizer::vocab_size() const { return processor_->GetPieceSize(); }

}  // namespace clip_hpc
