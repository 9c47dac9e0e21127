#include <sentencepiece_trainer.h>

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/text/tokenizer.hpp"

namespace clip_hpc {
namespace {

// Hands the captions to the trainer line by line, without a copy of the whole corpus.
class LineIterator : public sentencepiece::SentenceIterator {
 public:
  explicit LineIterator(std::span<const std::string> captions) : captions_(captions) { advance(); }
  bool done() const override { return done_; }
  void Next() override { advance(); }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  void advance() {
    while (caption_ < captions_.size()) {
      const std::string& text = captions_[caption_];
      const std::size_t begin = begin_;
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      begin_ = end + 1;
      if (begin_ > text.size()) {
        ++caption_;
        begin_ = 0;
      }
      line_ = text.substr(begin, end - begin);
      if (!line_.empty()) return;
    }
    done_ = true;
  }

  std::span<const std::string> captions_;
  std::size_t caption_ = 0;
  std::size_t begin_ = 0;
  std::string line_;
  bool done_ = false;
};

}  // namespace

void train_sentencepiece(std::span<const std::string> captions, int vocab_size, const std::filesystem::path& out) {
  LineIterator lines(captions);
  if (lines.done()) throw input_error("no caption to train a tokenizer on: does the packed set hold captions?");
  if (vocab_size <= kFixedPieces) {
    throw input_error("the vocabulary must be larger than {} (special and byte pieces), got {}", kFixedPieces,
                      vocab_size);
  }
  // Ids of pad, end and unknown as in the T5 models that the paper's group uses. No sampling, no shuffle and one
  // thread: the result is a function of the captions. minloglevel silences the trainer's progress lines.
  const std::unordered_map<std::string, std::string> options = {{"vocab_size", std::to_string(vocab_size)},
                                                                {"model_type", "bpe"},
                                                                {"character_coverage", "1.0"},
                                                                {"byte_fallback", "true"},
                                                                {"hard_vocab_limit", "false"},
                                                                {"normalization_rule_name", "nmt_nfkc_cf"},
                                                                {"num_threads", "1"},
                                                                {"shuffle_input_sentence", "false"},
                                                                {"input_sentence_size", "0"},
                                                                {"max_sentence_length", "16384"},
                                                                {"pad_id", "0"},
                                                                {"eos_id", "1"},
                                                                {"unk_id", "2"},
                                                                {"bos_id", "-1"},
                                                                {"minloglevel", "2"}};
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(options, &lines, &model);
  if (!status.ok()) {
    throw input_error("cannot train a tokenizer of {} pieces: {}; try a larger vocabulary or more captions", vocab_size,
                      status.ToString());
  }
  write_file_atomic(out, model);
}

}  // namespace clip_hpc
