// How long a run is, and what does not fit its length.
#pragma once

#include <cstdint>

#include "clip_hpc/train/run_config.hpp"
#include "clip_hpc/train/session.hpp"

namespace clip_hpc {

// train.samples, or train.epochs of the data, in steps. Throws input for more samples than anyone means.
std::int64_t total_steps(const TrainOptions& train, std::uint64_t epoch_samples);

// Throws input for a batch of more pairs than there are samples (a pair that is there twice counts its own caption as a
// wrong one) unless data.allow_repeats is on, and for a warm-up that outlasts the run and so never gets to optim.lr.
void check_length(const RunConfig& config, const TrainingData& data);

}  // namespace clip_hpc
