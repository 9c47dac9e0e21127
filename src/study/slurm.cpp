#include "clip_hpc/study/slurm.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/process.hpp"

namespace clip_hpc {
namespace {

// Two studies of one name in different folders have different jobs.
std::string mark_of(const StudyFolder& study) {
  const std::string place = std::filesystem::weakly_canonical(study.path).native();
  return hex64(xxh64(std::as_bytes(std::span(place)))).substr(0, 8);
}

// Shell variables that hold the job ids, one a submission.
std::vector<std::string> variables_of(const std::vector<Submission>& submissions) {
  std::vector<std::string> names;
  for (const Submission& one : submissions) {
    std::string name = one.stage + "_" + one.size_class;
    for (char& c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    }
    const std::string stem = name;
    for (int number = 2; std::ranges::find(names, name) != names.end(); ++number)
      name = fmt::format("{}_{}", stem, number);
    names.push_back(name);
  }
  return names;
}

std::vector<PlannedCell> trunks_first(std::vector<PlannedCell> cells) {
  std::stable_partition(cells.begin(), cells.end(), [](const PlannedCell& cell) { return cell.trunk.empty(); });
  return cells;
}

bool is_over(StageState state) { return state == StageState::done || state == StageState::given_up; }

}  // namespace

std::string job_name(const StudyFolder& study, const std::string& stage, const std::string& size_class) {
  return fmt::format("{}.{}.{}.{}", study.path.filename().native(), stage, size_class, mark_of(study));
}

bool has_slurm() { return run_program({"/bin/sh", "-c", "command -v squeue"}).exit_code == 0; }

Queue parse_queue(const StudyFolder& study, std::string_view lines) {
  Queue queue;
  const std::string mark = "." + mark_of(study);
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const auto first = line.find('|'), second = line.find('|', first + 1);
    if (second == std::string_view::npos || !line.ends_with(mark)) continue;
    const std::string_view id = line.substr(0, first), name = line.substr(second + 1);
    const auto under = id.find('_');
    int task = 0;
    if (under != std::string_view::npos &&
        std::from_chars(id.data() + under + 1, id.data() + id.size(), task).ec != std::errc{}) {
      continue;
    }
    // <study>.<stage>.<class>.<mark>; the study's name may have points.
    const std::string_view head = name.substr(0, name.size() - mark.size());
    const auto class_dot = head.rfind('.');
    const auto stage_dot = head.rfind('.', class_dot - 1);
    if (class_dot == std::string_view::npos || stage_dot == std::string_view::npos) continue;
    queue[{std::string(head.substr(stage_dot + 1, class_dot - stage_dot - 1)), task}] = {
        std::string(id.substr(0, under)), std::string(line.substr(first + 1, second - first - 1))};
  }
  return queue;
}

Queue read_queue(const StudyFolder& study) {
  const std::string text = shell_output("squeue -h -r -u \"$(id -un)\" -o '%i|%T|%j' 2>&1 || echo FAILED");
  if (text.ends_with("FAILED\n")) throw comm_error("squeue failed: {}", text.substr(0, text.find('\n')));
  return parse_queue(study, text);
}

std::string array_ranges(std::vector<int> tasks) {
  std::ranges::sort(tasks);
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < tasks.size();) {
    std::size_t j = i;
    while (j + 1 < tasks.size() && tasks[j + 1] == tasks[j] + 1) ++j;
    parts.push_back(i == j ? std::to_string(tasks[i]) : fmt::format("{}-{}", tasks[i], tasks[j]));
    i = j + 1;
  }
  return fmt::format("{}", fmt::join(parts, ","));
}

std::vector<Submission> plan_submission(const PlannedStudy& planned, const Queue& queue,
                                        const std::map<std::pair<std::string, int>, StageStatus>& status) {
  std::vector<Submission> all;
  std::map<std::pair<std::string, int>, int> place;  // in `all`, of what is submitted
  for (std::size_t s = 0; s < planned.stages.size(); ++s) {
    const std::string& stage = planned.stages[s];
    for (const PlannedCell& cell : trunks_first(planned.cells)) {
      if (!cell.not_yet.empty()) continue;
      const std::pair key{stage, cell.task};
      const StageState state = status.at(key).state;
      if (is_over(state) || state == StageState::running || queue.contains(key)) continue;
      Submission wanted{.stage = stage, .size_class = cell.size_class, .tasks = {}, .after = "", .follows = -1};
      if (s > 0) {  // what stands before it: done, to come in this submission, in the queue, or not to come at all
        const std::pair before{planned.stages[s - 1], cell.task};
        if (const auto submitted = place.find(before); submitted != place.end()) {
          wanted.follows = submitted->second;
        } else if (const auto queued = queue.find(before); queued != queue.end()) {
          wanted.after = queued->second.job;
        } else if (status.at(before).state != StageState::done) {
          continue;
        }
      }
      if (s == 0 && !cell.trunk.empty()) {
        const auto trunk = std::ranges::find(planned.cells, cell.trunk, &PlannedCell::name);
        if (trunk == planned.cells.end()) continue;
        const std::pair before{stage, trunk->task};
        if (const auto submitted = place.find(before); submitted != place.end()) {
          wanted.follows = submitted->second;
          wanted.trunk = trunk->task;
        } else if (const auto queued = queue.find(before); queued != queue.end()) {
          wanted.after = queued->second.job;
          wanted.trunk = trunk->task;
        } else if (status.at(before).state != StageState::done) {
          continue;
        }
      }
      auto same = std::ranges::find_if(all, [&](const Submission& one) {
        return one.stage == wanted.stage && one.size_class == wanted.size_class && one.after == wanted.after &&
               one.follows == wanted.follows && one.trunk == wanted.trunk;
      });
      if (same == all.end()) same = all.insert(all.end(), wanted);
      same->tasks.push_back(cell.task);
      place[key] = static_cast<int>(same - all.begin());
    }
  }
  return all;
}

std::vector<std::string> forks_without_trunk(const PlannedStudy& planned,
                                             const std::map<std::pair<std::string, int>, StageStatus>& status) {
  std::vector<std::string> lines;
  for (const PlannedCell& cell : planned.cells) {
    const auto trunk = std::ranges::find(planned.cells, cell.trunk, &PlannedCell::name);
    if (cell.trunk.empty() || trunk == planned.cells.end()) continue;
    if (is_over(status.at({"train", cell.task}).state)) continue;
    if (status.at({"train", trunk->task}).state != StageState::given_up) continue;
    lines.push_back(fmt::format("{} waits for {}, which was given up: its train.log says why", cell.name, cell.trunk));
  }
  return lines;
}

std::string submit_script(const StudyFolder& study, const PlannedStudy& planned,
                          const std::vector<Submission>& submissions, const std::string& prepare) {
  std::string text = fmt::format(R"sh(#!/usr/bin/env bash
# Written by clip_study submit. Start it in the project folder; partition, account and GPUs come from CLIP_HPC_SITE.
set -euo pipefail
source "${{CLIP_HPC_ROOT:-$PWD}}/jobs/env.sh"
STUDY='{}'
gpus=${{CLIP_HPC_GPUS_PER_NODE:-0}}
if [ "$gpus" = 0 ]; then gpus=1; fi
)sh",
                                 study.path.native());
  if (prepare == "submit") {
    text += fmt::format(R"(
# Packed sets and subsets, made once; the cells wait for it.
prepare=$(sbatch --parsable --job-name='{}' --nodes=1 --ntasks=1 --time=24:00:00 --requeue --open-mode=append   --output="$STUDY/log/prepare.log" --export=ALL --wrap "bash '$STUDY/jobs/prepare.sh'")
echo "prepare: job $prepare"
)",
                        job_name(study, "prepare", "all"));
  } else if (!prepare.empty()) {
    text += fmt::format("prepare={}\n", prepare);
  }
  const std::vector<std::string> names = variables_of(submissions);
  for (std::size_t i = 0; i < submissions.size(); ++i) {
    const Submission& one = submissions[i];
    const SizeClass& size = *std::ranges::find(planned.classes, one.size_class, &SizeClass::name);
    std::string dependency;
    if (!prepare.empty() && one.stage == planned.stages.front()) dependency = "afterok:$prepare";
    std::string before = one.after;
    if (one.follows >= 0) before = "$" + names[static_cast<std::size_t>(one.follows)];
    if (!before.empty() && one.trunk == 0) dependency = "aftercorr:" + before;  // task by task
    if (one.trunk > 0) {                                                        // all of it after one task
      if (one.follows >= 0) before = "${" + before.substr(1) + "}";
      dependency = fmt::format("afterok:{}_{}", before, one.trunk);
    }
    text += fmt::format("\n{}=$(sbatch --parsable --job-name='{}' --array={}{} \\\n", names[i],
                        job_name(study, one.stage, one.size_class), array_ranges(one.tasks),
                        size.limit > 0 ? fmt::format("%{}", size.limit) : "");
    if (!dependency.empty()) text += fmt::format("  --dependency={} --kill-on-invalid-dep=yes \\\n", dependency);
    text += fmt::format("  --nodes={} --ntasks-per-node={} {}--time={} --output=\"$STUDY/log/{}-%A_%a.log\" \\\n",
                        size.nodes, size.ranks_per_node > 0 ? std::to_string(size.ranks_per_node) : "\"$gpus\"",
                        size.cpus_per_rank > 0 ? fmt::format("--cpus-per-task={} ", size.cpus_per_rank) : "", size.time,
                        one.stage);
    text +=
        fmt::format("  --export=ALL,STUDY=\"$STUDY\",STAGE={} \"$CLIP_HPC_ROOT/jobs/study_array.slurm\")\n", one.stage);
    text += fmt::format("echo \"{}: {} cells of class {}, job ${}\"\n", one.stage, one.tasks.size(), one.size_class,
                        names[i]);
  }
  return text;
}

}  // namespace clip_hpc
