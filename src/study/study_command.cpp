#include "clip_hpc/study/study_command.hpp"

#include <cstdio>

#include "clip_hpc/base/failure.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

struct StudyCommand {
  const char* name;
  const char* help;
  int (*run)(const std::vector<std::string>& arguments);
};
constexpr StudyCommand kCommands[] = {
    {"plan", "the cells of a grid, their cost and storage", command_plan},
    {"submit", "runs what is missing: job arrays of Slurm, or --local", command_submit},
    {"status", "what is done, runs, waits, failed", command_status},
    {"cancel", "takes the jobs of a study out of Slurm, or stops --local", command_cancel},
    {"collect", "all results as one table", command_collect},
    {"scaling", "the training step on 1, 2, 4, 8 … nodes, for clip_report --scaling", command_scaling},
    {"hold", "for scripts: holds one cell of a study", command_hold},
};

constexpr const char* kRest = R"(  clip_study --version

Each has --help. Start it in the project folder: the paths of a grid are relative to it.

Examples:
  clip_study plan --grid configs/study/small.cfg
  clip_study submit --grid configs/study/small.cfg --study studies/small --local 2
  clip_study status --study studies/small

Exit codes: 0 done, 1 a cell or size failed (--local), 2 bad input, 3 storage, 4 Slurm, 75 stopped: submit again.
)";

void print_help() {
  fmt::print("clip_study: a grid of training runs, planned, run and watched\n\n");
  for (const StudyCommand& command : kCommands) fmt::print("  clip_study {:<9} {}\n", command.name, command.help);
  fmt::print("{}", kRest);
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    print_help();
    return kExitDone;
  }
  if (word == "--version") {
    fmt::print("clip_study {} (commit {})\n", program_version(), git_commit());
    return kExitDone;
  }
  std::vector<std::string> names;
  for (const StudyCommand& command : kCommands) {
    if (word == command.name) return command.run({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  throw input_error("unknown command \"{}\"; did you mean \"{}\"? clip_study --help lists them", word,
                    nearest_word(word, names));
}

}  // namespace

int study_command(const std::vector<std::string>& arguments) {
  try {
    start_log({});
    return dispatch(arguments);
  } catch (const std::exception& problem) {
    const Error error = error_of(problem);
    fmt::print(stderr, "clip_study: {}: {}\n", name_of(error.kind()), error.what());
    return exit_code(error.kind());
  }
}

}  // namespace clip_hpc
