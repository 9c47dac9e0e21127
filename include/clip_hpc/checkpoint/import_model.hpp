// A model of open_clip or transformers: as a run folder, so that what works on a trained run works on it (export, too),
// or for one evaluation.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

struct ImportRequest {
  std::filesystem::path input;        // a folder, or a safetensors file
  std::filesystem::path config;       // the model's JSON; a folder has its own
  std::filesystem::path tokenizer;    // SentencePiece model; empty: the folder's tokenizer.model
  bool lower_case = false;            // captions, before a SentencePiece model of another program sees them
  std::filesystem::path output = {};  // run folder, which must not exist
  std::vector<std::string> command_line = {};
};

// Collective. Writes a checkpoint of step 0, tokenizer.model and provenance.json. Throws input or storage.
void import_model(World& world, const ImportRequest& request);

// The same model without a run folder, `output` left aside: what load_model gives of what import_model writes, but for
// the folder, which is empty.
LoadedModel load_other_model(const ImportRequest& request, const std::string& precision, const at::Device& device);

}  // namespace clip_hpc
