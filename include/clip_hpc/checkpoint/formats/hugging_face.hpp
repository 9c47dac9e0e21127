// A model as transformers stores it: a folder with config.json, model.safetensors and preprocessor_config.json, that
// CLIPModel.from_pretrained or SiglipModel.from_pretrained loads.
#pragma once

#include "clip_hpc/checkpoint/formats/format.hpp"

namespace clip_hpc {

WeightFormat hugging_face_format();  // row of the table

// config.json of a CLIPModel or a SiglipModel, with its preprocessor_config.json (or null), in open_clip's words.
// Throws input, naming the key, for what has no words there.
Json open_clip_json(const Json& config, const Json& preprocessor, const std::string& name);

// The way back: config.json of a model of ours. Throws input where transformers has no such model: other pooling,
// another image tower, LayerScale.
Json hugging_face_json(const ModelConfig& model);

}  // namespace clip_hpc
