// Few-shot regression and linear probes of a model: features of the training split and of every test set, the heads,
// and their entries in results.json.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/eval/eval_options.hpp"
#include "clip_hpc/eval/features.hpp"
#include "clip_hpc/eval/jobs/attempt.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

using SetNames = std::map<std::string, std::string>;                     // of a set's folder: what results call it
std::string set_name(const PackedSet& set, const SetNames& names = {});  // else the last two parts of its path
std::string result_label(const std::string& label_name);                 // label_subgroup -> subgroup, label -> ""

// The variants of a task's results, one entry of results.json each.
std::vector<std::string> variants_of(const EvalOptions& options, const std::string& task);  // throws input

// The label names that a test set has in common with the training split. Throws input where there is none.
std::vector<std::string> shared_labels(const PackedSet& train, const PackedSet& test);

// Collective. `common`: the fields that all results share.
void evaluate_learned(World& world, const EvalContext& context, const EvalOptions& options, const RunFolder& folder,
                      const Result& common, Evaluated& outcome, const SetNames& names = {});

// Collective: whether a rank was asked to shut down.
bool stop_is_asked(World& world);

// Collective: rank 0 writes, and what it cannot write fails on all ranks.
void write_result(const EvalContext& context, const RunFolder& folder, const Result& result);

}  // namespace clip_hpc
