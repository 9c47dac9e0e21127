#include "study/scaling_command.hpp"

#include <sys/wait.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/study/scaling.hpp"
#include "clip_hpc/study/slurm.hpp"
#include "clip_hpc/study/vit_cost.hpp"
#include "study/study_command_parts.hpp"

namespace po = boost::program_options;

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
    const int status = std::system(command.c_str());
    if (status == 0) {
      fmt::print("{}: done\n", point.name());
    } else {
      ++failed;
      std::string reason = last_error_in(log);
      if (reason.empty()) {
        std::istringstream lines(read_text_file(log));
        for (std::string line; std::getline(lines, line);) reason = line;
      }
      fmt::print("{}: failed: {}; {} has the rest\n", point.name(), reason, log.native());
    }
    std::fflush(stdout);
    if (WIFSIGNALED(status)) break;  // Ctrl-C went to the shell
  }
  return failed;
}

}  // namespace

int command_scaling(const std::vector<std::string>& arguments) {
  ScalingPlan plan;
  std::string nodes, local, output, time = "00:30:00";
  std::int64_t ranks_per_node = 0;
  bool is_dry = false;
  ScalingOptions& o = plan.options;
  po::options_description options("Options");
  options.add_options()("nodes", po::value(&nodes), "numbers of nodes: 1,2,4,8")(
      "local", po::value(&local), "or, on this machine without Slurm, numbers of ranks: 1,2,4")(
      "ranks-per-node", po::value(&ranks_per_node)->default_value(0), "0: CLIP_HPC_GPUS_PER_NODE, else 1")(
      "model", po::value(&o.model), "model JSON")("batch", po::value(&o.batch)->default_value(64),
                                                  "pairs a rank, for weak scaling")(
      "global-batch", po::value(&o.global_batch)->default_value(0), "pairs of all ranks, for strong scaling; 0: none")(
      "precision", po::value(&o.precision)->default_value(o.precision), "fp32 or bf16")(
      "data", po::value(&o.data), "packed set that the steps read; default: random pairs")(
      "workers", po::value(&o.workers)->default_value(o.workers), "reading threads of --data")(
      "seconds", po::value(&o.seconds)->default_value(o.seconds), "measured time of a step benchmark")(
      "max-mib", po::value(&o.max_mib)->default_value(o.max_mib), "largest message of the collectives")(
      "parts", po::value(&o.parts)->default_value(o.parts), "what is measured")(
      "time", po::value(&time)->default_value(time), "time limit of a job")(
      "output", po::value(&output), "folder of the report")("dry-run", po::bool_switch(&is_dry),
                                                            "write the script, submit nothing");
  if (!read_words(arguments, options, kScalingHelp)) return kExitDone;
  if (nodes.empty() == local.empty()) {
    throw input_error("clip_study scaling needs --nodes 1,2,4,8 (jobs of Slurm) or --local 1,2,4 (ranks here)");
  }
  if (output.empty()) throw input_error("clip_study scaling needs --output, for example scaling/b16");
  if (ranks_per_node == 0) {
    const char* gpus = std::getenv("CLIP_HPC_GPUS_PER_NODE");
    ranks_per_node = std::max<std::int64_t>(1, gpus == nullptr ? 1 : parse_count(gpus));
  }
  if (ranks_per_node < 1) throw input_error("--ranks-per-node must be positive");
  check_for_shell(output);
  if (time.empty() || time.find_first_not_of("0123456789:-") != std::string::npos) {
    throw input_error("--time is written as for sbatch, 00:30:00 or 1-00:00:00, got \"{}\"", time);
  }
  for (const std::int64_t size : parse_sizes(local.empty() ? nodes : local, local.empty() ? "--nodes" : "--local")) {
    plan.points.push_back(local.empty() ? ScalingPoint{size, ranks_per_node} : ScalingPoint{1, size});
  }
  check_scaling(plan);
  read_model_config(o.model);
  const std::filesystem::path project = find_project();
  std::error_code none;
  if (!std::filesystem::equivalent(project, std::filesystem::current_path(), none)) {  // the jobs start in the project
    o.model = std::filesystem::absolute(o.model).native();
    if (!o.data.empty()) o.data = std::filesystem::absolute(o.data).native();
  }
  const std::filesystem::path folder = std::filesystem::absolute(without_slash(output));
  const StudyFolder study{folder};
  std::filesystem::create_directories(folder / "log");
  const SubmitLock lock(study);
  plan = add_to_folder(folder, plan);
  write_json_file(folder / "scaling.json", scaling_json(plan));

  const bool asks_slurm = local.empty() && !is_dry;
  if (asks_slurm && !has_slurm()) {
    throw input_error("squeue is not on PATH: load the Slurm module, or give --local 1,2,4");
  }
  const Queue queue = asks_slurm ? read_queue(study) : Queue{};
  std::vector<ScalingPoint> missing;
  for (const ScalingPoint& point : plan.points) {
    const auto queued = queue.find({point.name(), 0});
    if (is_complete(folder, point)) {
      fmt::print("{}: done\n", point.name());
    } else if (queued != queue.end()) {
      fmt::print("{}: job {} {}\n", point.name(), queued->second.job, queued->second.state);
    } else if (local.empty() || point.nodes == 1) {
      missing.push_back(point);
    }
  }
  if (missing.empty()) {
    fmt::print("nothing is missing\n");
    return kExitDone;
  }
  std::fflush(stdout);
  if (!local.empty() && is_dry) {
    for (const ScalingPoint& point : missing) fmt::print("{}\n", local_command(folder, plan, point));
    return kExitDone;
  }
  if (!local.empty()) return scale_locally(folder, plan, missing) == 0 ? kExitDone : 1;
  std::string now = utc_now();
  std::erase(now, ':');
  const std::filesystem::path script = folder / "jobs" / fmt::format("submit_{}.sh", now);
  std::filesystem::create_directories(script.parent_path());
  write_file_atomic(script, scaling_script(folder, plan, missing, time));
  if (is_dry) {
    fmt::print("{} is written and not run:\n\n{}", script.native(), read_text_file(script));
    return kExitDone;
  }
  const std::string command = fmt::format("CLIP_HPC_ROOT='{}' bash '{}'", project.native(), script.native());
  if (std::system(command.c_str()) != 0) {
    throw comm_error(
        "sbatch refused: see above; the script is {}. What it had submitted before is known to Slurm, so "
        "clip_study scaling goes on from there",
        script.native());
  }
  return kExitDone;
}

}  // namespace clip_hpc
