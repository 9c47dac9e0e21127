// All data sets of a suite in one job: what is missing is skipped aloud, what is there already is not computed again.
#pragma once

#include <string>

#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/eval/features.hpp"
#include "clip_hpc/eval/suite.hpp"
#include "clip_hpc/run/progress.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

// Collective. Into `folder`:
//   results.json                   all results
//   clip_benchmark/*.json          one file a result, for clip_benchmark build
//   suite_<suite>.json             the table, and what each row was computed from
// A row is computed anew when weights, view, precision, options, their files or the sets changed, or its files are
// gone. Everything that is wrong with the sets that are there is found before the first is evaluated. Returns false
// when a rank was asked to shut down: what is done stands in the files.
bool evaluate_suite(World& world, const EvalContext& context, const Suite& suite, const RunFolder& folder,
                    const Progress& progress, const std::string& run_name);

}  // namespace clip_hpc
