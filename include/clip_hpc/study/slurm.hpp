// Slurm as clip_study sees it: what is queued, and the script that submits what is missing.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "clip_hpc/study/folder.hpp"

namespace clip_hpc {

struct QueuedTask {
  std::string job;    // array job: 123
  std::string state;  // PENDING, RUNNING, REQUEUED …
};
// (stage, task) -> what Slurm has of it. The job that prepares has task 0.
using Queue = std::map<std::pair<std::string, int>, QueuedTask>;

std::string job_name(const StudyFolder& study, const std::string& stage, const std::string& size_class);

// Lines of `squeue -h -r -o '%i|%T|%j'`; jobs of others are left out.
Queue parse_queue(const StudyFolder& study, std::string_view lines);
Queue read_queue(const StudyFolder& study);  // throws comm when squeue fails
bool has_slurm();                            // squeue is on PATH

std::string array_ranges(std::vector<int> tasks);  // 1-4,7

// What to submit: for each stage the tasks that are neither done, nor given up, nor queued.
struct Submission {
  std::string stage;
  std::string size_class;
  std::vector<int> tasks;
  std::string after;  // a queued job, or nothing
  int follows = -1;   // place in the list of the array that it follows task by task, or none
  int trunk = 0;      // of forks: the one task of `after`, or of `follows`, that they all wait for
};
std::vector<Submission> plan_submission(const PlannedStudy& planned, const Queue& queue,
                                        const std::map<std::pair<std::string, int>, StageStatus>& status);

// Forks that will never begin, since the run that they fork from was given up: a line each.
std::vector<std::string> forks_without_trunk(const PlannedStudy& planned,
                                             const std::map<std::pair<std::string, int>, StageStatus>& status);

// A script that a person can read, edit and run. `prepare`: the job that all wait for: "submit" (a new one), ""
// (nothing is missing) or its id.
std::string submit_script(const StudyFolder& study, const PlannedStudy& planned,
                          const std::vector<Submission>& submissions, const std::string& prepare);

}  // namespace clip_hpc
