// A model of two small towers, for tests.
#pragma once

#include <fmt/format.h>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/model/model_file.hpp"

namespace clip_hpc::test {

inline ModelConfig two_small_towers(int image_size, int context_length) {
  return parse_model_config(
      {{"embed_dim", 16},
       {"vision_cfg",
        {{"image_size", image_size}, {"patch_size", 8}, {"width", 32}, {"layers", 2}, {"head_width", 16}}},
       {"text_cfg",
        {{"context_length", context_length}, {"vocab_size", 50}, {"width", 24}, {"heads", 2}, {"layers", 2}}}},
      "tiny");
}

}  // namespace clip_hpc::test
