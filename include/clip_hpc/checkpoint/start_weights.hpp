// Training that begins from weights that are there: of a run or checkpoint of ours, of open_clip, of transformers, or
// of an image tower of timm alone. A tower takes all that belongs to it, or the answer is an error: half a tower is a
// mistake. Heads and projections may be of another size; then they begin anew.
#pragma once

#include <filesystem>
#include <string>

#include "clip_hpc/checkpoint/safetensors.hpp"
#include "clip_hpc/model/clip_model.hpp"

namespace clip_hpc {

struct StartWeights {
  std::filesystem::path both = {}, image = {}, text = {};  // empty: none; `image` and `text` go before `both`

  bool any() const { return !both.empty() || !image.empty() || !text.empty(); }
};

// What a tower got from where, in the words of the log.
struct StartReport {
  std::vector<std::string> loaded, resized, fresh, ignored;  // names of tensors
};

// `tokenizer`: bytes of the run's tokenizer; the weights of a text tower that bring another one are refused. Throws
// input where a tensor of a tower is missing or has another shape, or where the weights were trained with another
// activation, norm, pooling or number of heads: what the tensors do not show.
void start_from_weights(ClipModel& model, const StartWeights& from, const std::string& tokenizer);

// One tower of it; `where` for messages.
StartReport take_tower(ClipModel& model, const NamedTensors& weights, bool image, const std::string& where);

}  // namespace clip_hpc
