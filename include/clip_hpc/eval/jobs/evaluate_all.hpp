// All tasks of [eval] on all its sets, and their entries in results.json.
#pragma once

#include <cstdint>
#include <string>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/eval/jobs/attempt.hpp"
#include "clip_hpc/run/progress.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

// Throws input or storage where evaluation would fail for lack of labels or class names: asked before a run starts.
void check_evaluable(const PackedSet& set, const EvalOptions& options);

struct EvaluationOf {
  SetNames names = {};          // what results call the sets
  std::string pretrained = {};  // empty: the run folder
  std::string weights = {};     // goes into each result's label, where a model has others beside those it is known by
};

// Collective. Evaluates on every set and task of [eval] and prints one line each. Every result is written as soon as it
// is there (write_results.hpp), and all are returned. A task that fails is told and left out, the others go on. When a
// rank is asked to shut down before the last task, what is done stands in the file.
Evaluated evaluate_all(World& world, const EvalContext& context, const EvalOptions& options, const RunFolder& folder,
                       const Progress& progress, const std::string& run_name, const EvaluationOf& of = {});

// Collective. Whether the folder's results hold everything that evaluate_all would write for this step, view and
// EvaluationOf::weights, which rank 0 says.
bool is_evaluated(World& world, const EvalOptions& options, const RunFolder& folder, std::int64_t step,
                  const std::string& view, const std::string& weights = {});

// Collective: whether a rank was asked to shut down.
bool stop_is_asked(World& world);

}  // namespace clip_hpc
