// Distillation from a teacher's stored features (the loss of open_clip's DistillClipLoss, of TinyCLIP and MobileCLIP):
// the student's similarities over the batch shall be the teacher's.
#pragma once

#include "clip_hpc/loss/terms/term.hpp"

namespace clip_hpc {

LossTerm distill_term();  // row of the table; needs Encoded::teacher

}  // namespace clip_hpc
