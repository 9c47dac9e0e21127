#include <cstdlib>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/train/claimed_folder.hpp"
#include "clip_hpc/train/loop.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kTrainUsage = R"(clip_hpc [train]: trains one model, on as many ranks as mpirun or srun starts

  clip_hpc [train] --config FILE [--set section.key=value]... [--run-dir DIR] [--resume auto|none|CHECKPOINT]
                   [--branch NAME]

Examples:
  clip_hpc --config configs/quickstart.cfg
  mpirun -np 64 clip_hpc --config configs/quickstart.cfg --set optim.lr=5e-4 --run-dir runs/lr5e-4
  clip_hpc --config configs/quickstart.cfg --run-dir runs/a --branch a_long --set train.epochs=20
)";

// The head of docs/config.md; the tables follow.
constexpr const char* kMarkdownHead = R"(# Configuration keys

<!-- Written by `clip_hpc train --help-markdown > docs/config.md`; tests/cli/config_doc_test.sh compares. -->

A run is described by one or more INI files and by `--set`:

```
clip_hpc --config configs/quickstart.cfg --config mine.cfg --set optim.lr=5e-4 --set train.samples=1000000
```

`--set` wins over files, a later file over an earlier one, and what no one sets has its default. A repeatable key is given
once a line, and `--set key=` with nothing behind it empties its list: `--set eval.data=` evaluates nothing. An unknown key, or a value that is not allowed, ends the program with exit code 2 before anything starts. The
run folder's `config.cfg` holds every key with the value it had; `--config` reads it again.
)";

// The run of this name beside request.folder.
void start_branch(TrainRequest& request, const std::string& name) {
  if (name.find('/') != std::string::npos || name == "." || name == "..") {
    throw input_error("--branch takes a name, not a path, got \"{}\": the new run stands beside {}", name,
                      request.folder.path.native());
  }
  if (request.resume == "none") throw input_error("--branch continues from a checkpoint, --resume none does not");
  request.branch_of = request.folder;
  request.folder = RunFolder{without_slash(request.folder.path).parent_path() / name};
  if (request.branch_of.checkpoint_steps().empty()) {
    throw input_error("{} has no checkpoint to branch from", request.branch_of.path.native());
  }
}

// Slurm starts a job again with the words of its first start: the run that they began anew goes on.
void go_on_after_restart(TrainRequest& request) {
  const char* const restarts = std::getenv("SLURM_RESTART_COUNT");
  if (request.resume != "none" || restarts == nullptr || std::string_view(restarts) == "0") return;
  if (request.folder.checkpoint_steps().empty()) return;
  log_info("--resume none: this is restart {} of the job, and the run that it began goes on", restarts);
  request.resume = "auto";
}

}  // namespace

int command_train(World& world, std::span<const std::string> arguments) {
  std::vector<std::string> files, overrides;
  TrainRequest request;
  std::string run_dir, branch;
  bool markdown = false;
  ArgumentTable options;
  options.add_repeated("config", files, "INI file; may be repeated, the last wins");
  options.add_repeated("set", overrides, "section.key=value; may be repeated, wins over files");
  options.add("run-dir", run_dir, "run folder; default run.dir/run.name");
  options.add("resume", request.resume,
              "auto: from the newest checkpoint; none: anew, and a run that is there is kept under another name; or a "
              "checkpoint folder");
  options.add("branch", branch,
              "start another run of this name beside the run folder, from its newest checkpoint (or that of --resume), "
              "with other values of optim, strategy, data or length");
  options.add("help-markdown", markdown, "prints docs/config.md");
  OptionTable table;
  describe(table, request.config);
  if (!read_arguments(options, arguments, kTrainUsage, world.rank() == 0)) {
    if (world.rank() == 0) fmt::print("\nConfiguration keys [default]:\n{}", table.help());
    return kExitDone;
  }
  if (markdown) {
    if (world.rank() == 0) fmt::print("{}{}", kMarkdownHead, table.markdown());
    return kExitDone;
  }
  if (files.empty() && overrides.empty()) throw input_error("no configuration: give --config FILE");
  table.parse({files.begin(), files.end()}, overrides);
  request.config_text = table.dump();
  const RunOptions& run = request.config.run;
  request.folder =
      RunFolder{run_dir.empty() ? std::filesystem::path(run.dir) / run.name : std::filesystem::path(run_dir)};
  request.command_line.assign(arguments.begin(), arguments.end());
  if (!branch.empty()) start_branch(request, branch);
  go_on_after_restart(request);
  const ClaimedFolder claimed(world, request.folder, request.resume == "none");
  request.holds_folder = [&claimed] { return claimed.is_held(); };
  start_log({world.rank(), request.folder.log_file()});
  keep_freed_memory();
  return train(world, request);
}

}  // namespace clip_hpc
