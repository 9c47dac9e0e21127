#include "clip_hpc/text/tokenizer.hpp"

#include <sentencepiece_processor.h>

#include <algorithm>
#include <cstdlib>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"
#include "clip_hpc/text/clip_clean.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kClipMerges = "data/tokenizers/clip_bpe.txt";  // from the project's folder

std::string to_lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string cleaned(std::string_view caption, Cleaning cleaning) {
  return cleaning == Cleaning::canonical ? canonical_clean(caption) : to_lower_ascii(caption);
}

}  // namespace

Tokenizer::Tokenizer(std::unique_ptr<sentencepiece::SentencePieceProcessor> processor, int eos_id, Cleaning cleaning)
    : processor_(std::move(processor)), eos_id_(eos_id), cleaning_(cleaning) {}
Tokenizer::Tokenizer(ClipBpe clip) : clip_(std::make_unique<ClipBpe>(std::move(clip))), eos_id_(clip_->end_id()) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::load(const std::filesystem::path& path, bool lower_case) {
  return parse(read_text_file(path), path, lower_case);  // throws storage with the path
}

Tokenizer Tokenizer::parse(const std::string& bytes, const std::filesystem::path& path, bool lower_case) {
  if (ClipBpe::is_merges(bytes)) return Tokenizer(ClipBpe::parse(bytes, path.native()));
  if (bytes.starts_with("\x1f\x8b")) {
    throw input_error("{} is packed: unpack it with gzip -d, or give --tokenizer clip", path.native());
  }
  auto processor = std::make_unique<sentencepiece::SentencePieceProcessor>();
  if (const auto status = processor->LoadFromSerializedProto(bytes); bytes.empty() || !status.ok()) {
    throw input_error("{} is not a SentencePiece model ({}): pack the data again, or name a .model file", path.native(),
                      bytes.empty() ? "the file is empty" : status.ToString());
  }
  const int eos_id = processor->eos_id();
  if (eos_id < 0) {
    throw input_error("the SentencePiece model {} has no end-of-sentence piece: train it with --eos_id", path.native());
  }
  const Cleaning otherwise = lower_case ? Cleaning::lower_ascii : Cleaning::none;
  return {std::move(processor), eos_id, stated_cleaning(bytes).value_or(otherwise)};
}

std::vector<int> Tokenizer::pieces_of(std::string_view caption) const {
  std::vector<int> tokens;
  if (clip_) {
    tokens = clip_->encode(caption);
    tokens.insert(tokens.begin(), clip_->start_id());
    return tokens;
  }
  const auto status = cleaning_ == Cleaning::none ? processor_->Encode({caption.data(), caption.size()}, &tokens)
                                                  : processor_->Encode(cleaned(caption, cleaning_), &tokens);
  if (!status.ok()) throw internal_error("SentencePiece cannot encode a caption: {}", status.ToString());
  return tokens;
}

int Tokenizer::encode_into(std::string_view caption, std::span<std::int32_t> ids) const {
  const std::vector<int> tokens = pieces_of(caption);
  const std::size_t kept = std::min(tokens.size(), ids.size() - 1);
  std::copy_n(tokens.begin(), kept, ids.begin());
  ids[kept] = eos_id_;
  std::fill(ids.begin() + static_cast<std::ptrdiff_t>(kept) + 1, ids.end(), pad_id());
  return static_cast<int>(kept) + 1;
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view caption, int context) const {
  if (context < 1) throw input_error("the text context must be at least 1 token, got {}", context);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(context));
  encode_into(caption, ids);
  return ids;
}

std::vector<std::int32_t> Tokenizer::tokens(std::string_view caption) const {
  const std::vector<int> tokens = pieces_of(caption);
  std::vector<std::int32_t> ids(tokens.begin(), tokens.end());
  ids.push_back(eos_id_);
  return ids;
}

TokenBatch Tokenizer::encode_batch(std::span<const std::string> captions, int context) const {
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

int Tokenizer::length(std::span<const std::int32_t> ids) const {
  const auto end = std::ranges::find(ids, eos_id_);
  return static_cast<int>(end - ids.begin()) + (end == ids.end() ? 0 : 1);
}

std::string Tokenizer::decode(std::span<const std::int32_t> ids) const {
  const std::vector<int> tokens(ids.begin(), std::ranges::find(ids, eos_id_));
  const int size = vocab_size();
  for (const int token : tokens) {  // the library aborts the program on an id outside its table
    if (token < 0 || token >= size) {
      throw input_error("token id {} is outside the vocabulary of {} pieces: was another tokenizer used?", token, size);
    }
  }
  if (clip_) {
    const auto first = tokens.empty() || tokens[0] != clip_->start_id() ? tokens.begin() : tokens.begin() + 1;
    return clip_->decode({first, tokens.end()});
  }
  std::string text;
  if (const auto status = processor_->Decode(tokens, &text); !status.ok()) {
    throw internal_error("SentencePiece cannot decode: {}", status.ToString());
  }
  return text;
}

int Tokenizer::vocab_size() const { return clip_ ? clip_->vocab_size() : processor_->GetPieceSize(); }

std::filesystem::path tokenizer_path(const std::string& name) {
  namespace fs = std::filesystem;
  if (name != "clip") {
    const fs::path named = packed_path(name);
    const fs::path file = fs::is_directory(named) ? named / kTokenizerFileName : named;
    if (fs::exists(file)) return file;
    throw input_error("{} does not exist: give a SentencePiece model, a packed set, a run folder, or clip{}",
                      file.native(), packed_hint(file));
  }
  const char* root = std::getenv("CLIP_HPC_ROOT");
  for (const fs::path& folder : {fs::path("."), fs::path(root == nullptr ? "." : root)}) {
    if (fs::exists(folder / kClipMerges)) return folder / kClipMerges;
  }
  throw input_error("{} is not here: jobs/setup.sh writes it, or give CLIP's bpe_simple_vocab_16e6.txt as a file",
                    kClipMerges);
}

}  // namespace clip_hpc
