// A run that evaluates itself on the way.
#pragma once

#include "clip_hpc/train/setup.hpp"

namespace clip_hpc {

// In the label of results of a run that averages its weights: these are the others.
inline constexpr const char* kTrainedWeights = "weights as trained";

// Collective. Evaluates on every set of [eval], where the run keeps averaged weights with these and then with the
// others. What fails is said, in metrics.jsonl too, and training continues. False: a rank was asked to stop.
bool evaluate(TrainingRun& run);

// Collective. The session before was stopped in, or just before, an evaluation of the step where this one starts.
bool owes_evaluation(TrainingRun& run);

}  // namespace clip_hpc
