// SLIP's self-supervised term (Mu et al. 2022, after SimCLR): two further views of an image find each other among those
// of all images.
#pragma once

#include "clip_hpc/loss/terms/term.hpp"

namespace clip_hpc {

// Row of the table: NT-Xent of two projections, over the global batch, the mean of both directions; each view is
// compared with the other views of all images and with the same views of all others. rows.projections: two, [rows,
// width], unit length. options.columns as for the softmax.
LossTerm ntxent_term();

}  // namespace clip_hpc
