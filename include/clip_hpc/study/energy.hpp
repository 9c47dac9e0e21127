// What the jobs of a cell consumed, where Slurm's accounting measures it (AcctGatherEnergyType). Slurm counts whole
// nodes: cells that share one are each charged with all of it.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/study/folder.hpp"

namespace clip_hpc {

// Jobs in which this cell was trained, restarts included, each once.
std::vector<std::string> training_jobs(const StudyFolder& study, const std::string& cell);

// Lines of `sacct -n -P -D -o JobID,ConsumedEnergyRaw` -> joules by job. An allocation's own number counts (the sum of
// its restarts); where it has none, the largest of its steps, which overlap. Jobs without a number are left out.
std::map<std::string, double> parse_energy(std::string_view lines);

// Asks sacct. Empty where there is none, or where it does not answer: energy is never a reason to fail.
std::map<std::string, double> energy_of_jobs(const std::vector<std::string>& jobs);

}  // namespace clip_hpc
