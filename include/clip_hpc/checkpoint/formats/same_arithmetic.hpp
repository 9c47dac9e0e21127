// Whether two descriptions of a tower compute the same from the same tensors, as far as the tensors' shapes do not
// tell.
#pragma once

#include <string>

#include "clip_hpc/model/model_file.hpp"

namespace clip_hpc {

// `theirs` is said beside the weights, `own` is what they are to be used as. Throws input, naming `where`, the key and
// both values, for another activation, number of heads, norm, pooling or mask. Other pixels (mean, deviation, view) are
// told in a line.
void check_same_arithmetic(const ModelConfig& theirs, const ModelConfig& own, bool image, const std::string& where);

}  // namespace clip_hpc
