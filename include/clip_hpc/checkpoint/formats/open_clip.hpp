// A model as open_clip stores it: a folder with open_clip_config.json (model_cfg, preprocess_cfg) and
// open_clip_model.safetensors, that open_clip.create_model("local-dir:FOLDER") loads.
#pragma once

#include "clip_hpc/checkpoint/formats/format.hpp"

namespace clip_hpc {

WeightFormat open_clip_format();  // row of the table

// The folder must not exist; it is written beside, synced and renamed. preprocess_cfg says the model's view, or
// `resize` where it has none. tokenizer.model goes along, and tokenizer.json, from which open_clip.get_tokenizer gives
// the same ids; returns why that one could not be written, or nothing.
std::string write_open_clip_folder(const std::filesystem::path& folder, const OpenClipModel& model);

}  // namespace clip_hpc
