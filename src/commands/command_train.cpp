#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/train/loop.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kUsage = R"(clip_hpc [train]: trains one model, on as many ranks as mpirun or srun starts

  clip_hpc [train] --config FILE [--set section.key=value]... [--run-dir DIR] [--resume auto|none|CHECKPOINT]

Examples:
  clip_hpc --config configs/quickstart.cfg
  mpirun -np 64 clip_hpc --config configs/quickstart.cfg --set optim.lr=5e-4 --run-dir runs/lr5e-4
)";

// The head of docs/config.md; the tables follow.
constexpr const char* kMarkdownHead = R"(# Configuration keys

<!-- Written by `clip_hpc train --help-markdown > docs/config.md`; tests/cli/config_doc_test.sh compares. -->

A run is described by one or more INI files and by `--set`:

```
clip_hpc --config configs/quickstart.cfg --config mine.cfg --set optim.lr=5e-4 --set train.samples=1000000
```

`--set` wins over files, a later file over an earlier one, and what no one sets has its default. A repeatable key is given
once a line. An unknown key, or a value that is not allowed, ends the program with exit code 2 before anything starts. The
run folder's `config.cfg` holds every key with the value it had; `--config` reads it again.
)";

}  // namespace

int command_train(World& world, std::span<const std::string> arguments) {
  std::vector<std::string> files, overrides;
  TrainRequest request;
  std::string run_dir;
  bool markdown = false;
  ArgumentTable options;
  options.add_repeated("config", files, "INI file; may be repeated, the last wins");
  options.add_repeated("set", overrides, "section.key=value; may be repeated, wins over files");
  options.add("run-dir", run_dir, "run folder; default run.dir/run.name");
  options.add("resume", request.resume, "auto, none, or a checkpoint folder");
  options.add("help-markdown", markdown, "prints docs/config.md");
  OptionTable table;
  describe(table, request.config);
  if (!read_arguments(options, arguments, kUsage, world.rank() == 0)) {
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
  if (world.rank() == 0) request.folder.create();
  world.barrier();
  start_log({world.rank(), request.folder.log_file()});
  keep_freed_memory();
  return train(world, request);
}

}  // namespace clip_hpc
