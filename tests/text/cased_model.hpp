// A SentencePiece model as another program makes it: capitals are other letters, and nothing says that they are
// lowered.
#pragma once

#include <sentencepiece_trainer.h>

#include <filesystem>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc::test {

inline void write_cased_model(const std::filesystem::path& folder) {  // folder/cased.model
  write_file_atomic(folder / "text", "A Red House\na red house\nBERLIN and berlin\nRed red RED\n");
  const auto status = sentencepiece::SentencePieceTrainer::Train(
      fmt::format("--input={} --model_prefix={} --vocab_size=60 --hard_vocab_limit=false --eos_id=1 --bos_id=-1 "
                  "--unk_id=0 --normalization_rule_name=identity --minloglevel=2",
                  (folder / "text").native(), (folder / "cased").native()));
  if (!status.ok()) throw input_error("{}", status.ToString());
}

}  // namespace clip_hpc::test
