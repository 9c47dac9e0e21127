#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/process.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/study/cost.hpp"
#include "clip_hpc/study/scaling.hpp"
#include "study/command_parts.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kScalingHelp = R"(clip_study scaling: the training step on several numbers of nodes

For each number one job (jobs/scaling.slurm): collectives over sizes, steps with --batch pairs a rank (weak scaling) and
with --global-batch pairs in all (strong scaling), a checkpoint, loading. A size whose result is complete, or that is
queued, is left alone: call it again for what failed, or with more --nodes. clip_report --scaling DIR draws the report.

Examples:
  clip_study scaling --nodes 1,2,4,8 --ranks-per-node 8 --model configs/models/ViT-B-16.json --batch 256 --global-batch 8192 --precision bf16 --output scaling/b16
  clip_study scaling --local 1,2 --model configs/models/tiny.json --batch 16 --output scaling/tiny
)";

std::string local_command(const std::filesystem::path& folder, const ScalingPlan& plan, const ScalingPoint& point) {
  return fmt::format("env CLIP_HPC_ROOT='{0}' RANKS={1} {2} bash '{0}/jobs/scaling.slurm'", find_project().native(),
                     point.ranks(), fmt::join(scaling_environment(folder, plan, point), " "));
}

// Each point alone on this machine, through the same script. The number of those that failed.
int scale_locally(const std::filesystem::path& folder, const ScalingPlan& plan,
                  const std::vector<ScalingPoint>& points) {
  int failed = 0;
  for (const ScalingPoint& point : points) {
    const std::filesystem::path log = folder / "log" / (point.name() + ".log");
    const std::string command = fmt::format("{} >'{}' 2>&1", local_command(folder, plan, point), log.native());
    if (run_shell(command) == 0) {
      fmt::print("{}: done\n", point.name());
    } else {
      ++failed;
      std::string reason = last_error_in(log);
      if (reason.empty()) {
        const std::vector<std::string> lines = split_lines(read_text_file(log));
        if (!lines.empty()) reason = lines.back();
      }
      fmt::print("{}: failed: {}; {} has the rest\n", point.name(), reason, log.native());
    }
    std::fflush(stdout);
    if (shutdown_requested()) break;
  }
  return failed;
}

struct ScalingWords {
  std::string nodes, local, output, time = "00:30:00";
  std::int64_t ranks_per_node = 0;
  bool is_dry = false;
  bool is_local() const { return !local.empty(); }
};

void add_options(ArgumentTable& options, ScalingWords& words, ScalingOptions& o) {
  options.add("nodes", words.nodes, "numbers of nodes: 1,2,4,8");
  options.add("local", words.local, "or, on this machine without Slurm, numbers of ranks: 1,2,4");
  options.add("ranks-per-node", words.ranks_per_node, "0: CLIP_HPC_GPUS_PER_NODE, else 1", at_least(0));
  options.add("model", o.model, "model JSON");
  options.add("batch", o.batch, "pairs a rank, for weak scaling");
  options.add("global-batch", o.global_batch, "pairs of all ranks, for strong scaling; 0: none");
  options.add("precision", o.precision, "fp32 or bf16");
  options.add("data", o.data, "packed set that the steps read; default: random pairs");
  options.add("workers", o.workers, "reading threads of --data");
  options.add("seconds", o.seconds, "measured time of a step benchmark");
  options.add("max-mib", o.max_mib, "largest message of the collectives");
  options.add("parts", o.parts, "what is measured");
  options.add("time", words.time, "time limit of a job");
  options.add("output", words.output, "folder of the report");
  options.add("dry-run", words.is_dry, "write the script, submit nothing");
}

// That the jobs will be able to read the model, as far as that can be known here.
void check_model(const std::string& file) {
  if (!find_cost(file)) read_json_file(file);  // there is no clip_hpc to ask
}

void check_words(ScalingWords& words, ScalingPlan& plan) {
  if (words.nodes.empty() == words.local.empty()) {
    throw input_error("clip_study scaling needs --nodes 1,2,4,8 (jobs of Slurm) or --local 1,2,4 (ranks here)");
  }
  if (words.output.empty()) throw input_error("clip_study scaling needs --output, for example scaling/b16");
  if (words.ranks_per_node == 0) {
    const char* gpus = std::getenv("CLIP_HPC_GPUS_PER_NODE");
    words.ranks_per_node = std::max<std::int64_t>(1, gpus == nullptr ? 1 : parse_count(gpus));
  }
  for (const std::string& text : {words.output, plan.options.model, plan.options.data}) check_for_shell(text);
  if (words.time.empty() || words.time.find_first_not_of("0123456789:-") != std::string::npos) {
    throw input_error("--time is written as for sbatch, 00:30:00 or 1-00:00:00, got \"{}\"", words.time);
  }
  const bool is_local = words.is_local();
  for (const std::int64_t size : parse_sizes(is_local ? words.local : words.nodes, is_local ? "--local" : "--nodes")) {
    plan.points.push_back(is_local ? ScalingPoint{1, size} : ScalingPoint{size, words.ranks_per_node});
  }
  check_scaling(plan);
  check_model(plan.options.model);
}

// The jobs start in the project.
void make_paths_absolute(ScalingOptions& options) {
  std::error_code none;
  if (std::filesystem::equivalent(find_project(), std::filesystem::current_path(), none)) return;
  options.model = std::filesystem::absolute(options.model).native();
  if (!options.data.empty()) options.data = std::filesystem::absolute(options.data).native();
}

// The points that are neither complete nor queued; says so of the others.
std::vector<ScalingPoint> missing_points(const std::filesystem::path& folder, const ScalingPlan& plan,
                                         const ScalingWords& words) {
  const bool asks_slurm = !words.is_local() && !words.is_dry;
  if (asks_slurm && !has_slurm()) {
    throw input_error("squeue is not on PATH: load the Slurm module, or give --local 1,2,4");
  }
  const Queue queue = asks_slurm ? read_queue({folder}) : Queue{};
  std::vector<ScalingPoint> missing;
  for (const ScalingPoint& point : plan.points) {
    const auto queued = queue.find({point.name(), 0});
    if (is_complete(folder, point)) {
      fmt::print("{}: done\n", point.name());
    } else if (queued != queue.end()) {
      fmt::print("{}: job {} {}\n", point.name(), queued->second.job, queued->second.state);
    } else if (!words.is_local() || point.nodes == 1) {
      missing.push_back(point);
    }
  }
  return missing;
}

}  // namespace

int command_scaling(const std::vector<std::string>& arguments) {
  ScalingPlan plan;
  ScalingWords words;
  plan.options.batch = 64;
  ArgumentTable options;
  add_options(options, words, plan.options);
  if (!read_options(options, arguments, kScalingHelp)) return kExitDone;
  check_words(words, plan);
  make_paths_absolute(plan.options);
  const std::filesystem::path folder = std::filesystem::absolute(without_slash(words.output));
  std::filesystem::create_directories(folder / "log");
  const SubmitLock lock({folder});
  plan = add_to_folder(folder, plan);
  write_json_file(folder / "scaling.json", scaling_json(plan));

  const std::vector<ScalingPoint> missing = missing_points(folder, plan, words);
  if (missing.empty()) {
    fmt::print("nothing is missing\n");
    return kExitDone;
  }
  std::fflush(stdout);
  if (words.is_local() && words.is_dry) {
    for (const ScalingPoint& point : missing) fmt::print("{}\n", local_command(folder, plan, point));
    return kExitDone;
  }
  if (words.is_local()) {
    const int failed = scale_locally(folder, plan, missing);
    return shutdown_requested() ? kExitStoppedCleanly : failed == 0 ? kExitDone : 1;
  }
  submit_jobs(folder, scaling_script(folder, plan, missing, words.time), words.is_dry, "scaling");
  return kExitDone;
}

}  // namespace clip_hpc
