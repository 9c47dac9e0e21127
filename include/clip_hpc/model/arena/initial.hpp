// Initial weights. Every parameter draws from its own stream, keyed by (seed, hash of its name): the values do not
// depend on the number of ranks, on the order of declaration, or on what else the model holds.
//   open_clip  open_clip's distributions (peers: CLIP.init_parameters, VisionTransformer, torch defaults)
//   clip_hpc   larger token embeddings and smaller residual outputs: small models leave the plateau at ln(batch) sooner
#pragma once

#include <cstdint>
#include <string>

#include "clip_hpc/model/arena/parameters.hpp"
#include "clip_hpc/model/model_file.hpp"

namespace clip_hpc {

void initialise_weights(ParameterArena& arena, const ModelConfig& config, const std::string& scheme,
                        std::uint64_t seed);

}  // namespace clip_hpc
