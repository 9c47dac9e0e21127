#include <fmt/ranges.h>
#include <hdf5.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/ops/linear.hpp"

namespace clip_hpc {
namespace {

using OnRanks = int (*)(World& world, std::span<const std::string> arguments);
using Alone = int (*)(std::span<const std::string> arguments);

struct CommandRow {
  const char* name;
  const char* form;  // as --help shows it
  const char* help;
  OnRanks on_ranks;
  Alone alone = nullptr;         // instead: without MPI
  bool saves_on_signal = false;  // a request to stop waits for the end of a step, from before MPI and the data come up
};

constexpr CommandRow kCommands[] = {
    {"train", "[train] --config FILE", "train one model", command_train, nullptr, true},
    {"pack", "pack", "pictures and captions into HDF5 shards", command_pack},
    {"score", "score", "similarity of image and caption of each sample, by a trained model", command_score},
    {"filter", "filter", "a subset of a packed set, as a list of sample ids", command_filter},
    {"eval", "eval", "zero-shot accuracy and retrieval of a trained model", command_eval},
    {"embed", "embed", "features, model inputs and token ids as HDF5", command_embed},
    {"tokenize", "tokenize", "token ids of lines of text", nullptr, command_tokenize},
    {"export", "export", "a model as a folder that open_clip loads", command_export},
    {"import", "import", "a model of open_clip as a run folder", command_import},
    {"bench", "bench", "rates of this machine: training step, data loading", command_bench},
    {"doctor", "doctor", "is this allocation fit to run?", command_doctor},
    {"model", "model FILE...", "parameters and multiply-adds of models in open_clip's JSON", nullptr, command_model},
};

constexpr const char* kHead = "clip_hpc: train and study CLIP on HPC clusters\n\n";
constexpr const char* kTail = R"(
Each has --help. All but model and tokenize run on as many ranks as mpirun or srun starts.

Examples:
  clip_hpc pack --from glyphs --output data/packed/glyphs --train-tokenizer 1000
  mpirun -np 2 clip_hpc --config configs/quickstart.cfg
  clip_hpc eval --model runs/quickstart/letters --data data/packed/glyphs/test_letters

Exit codes: 0 done, 2 bad input, 3 storage, 4 communication, 5 device, 75 stopped cleanly: submit again.
)";

constexpr double kFailureMeeting_s = 3;  // how long a failed rank waits for the others to fail as well

struct Failure {
  int code;
  std::string text;
};

Failure describe_failure(const std::exception& problem) {
  const Error error = as_error(problem);
  return {exit_code(error.kind()), fmt::format("clip_hpc: {}: {}", name_of(error.kind()), error.what())};
}

// When all ranks failed alike, as they do on bad input, rank 0 speaks for all and MPI ends in order. When only some
// failed, the others wait in a collective that will never be entered: everything is ended at once.
int report_failure(World& world, const Failure& failure) {
  if (!world.all_failed(kFailureMeeting_s)) {
    fmt::print(stderr, "{} (rank {} on {})\n", failure.text, world.rank(), world.host_name());
    world.abort(failure.code);
  }
  const std::vector<std::string> all = world.gather_strings(failure.text);
  std::set<std::string> said;
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (!said.insert(all[rank]).second) continue;
    fmt::print(stderr, "{}{}\n", all[rank], rank == 0 ? "" : fmt::format(" (rank {})", rank));
  }
  return failure.code;
}

// Help is printed wherever a user asks for it: in an allocation, too, where MPI would refuse to start.
bool asks_for_help(std::span<const std::string> arguments) {
  return std::ranges::any_of(
      arguments, [](const std::string& word) { return word == "--help" || word == "-h" || word == "--help-markdown"; });
}

int run_on_ranks(const CommandRow& command, std::span<const std::string> arguments) {
  if (asks_for_help(arguments)) {
    World alone(World::WithoutMpi{});
    return command.on_ranks(alone, arguments);
  }
  std::optional<OrderlyStop> at_a_step;
  if (command.saves_on_signal) at_a_step.emplace();
  World world;
  start_log({.rank = world.rank(), .file = {}});
  int code = kExitDone;
  try {
    code = command.on_ranks(world, arguments);
  } catch (const std::exception& problem) {
    code = report_failure(world, describe_failure(problem));
  }
  world.will_end_with(code);
  return code;
}

void print_versions() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  std::string reason;
  const auto device = open_device_library(&reason);
  const auto cuda = [](int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); };
  fmt::print("clip_hpc {} ({})\nLibTorch {}\nMPI {}\nHDF5 {}.{}.{}\noneDNN {}\nCUDA {}\n", program_version(),
             git_commit(), TORCH_VERSION, World::mpi_version(), major, minor, release,
             onednn_version().empty() ? "none: products of fp32 on a CPU are left to LibTorch" : onednn_version(),
             device ? fmt::format("{} (driver {}), {}", cuda(device->runtime_version()), cuda(device->driver_version()),
                                  device_library_versions(*device))
                    : "none: " + reason);
}

void print_help() {
  const auto print_row = [](const char* form, const char* help) { fmt::print("  clip_hpc {:<23} {}\n", form, help); };
  fmt::print("{}", kHead);
  for (const CommandRow& command : kCommands) print_row(command.form, command.help);
  print_row("--version", "versions of the program and its libraries");
  fmt::print("{}", kTail);
}

int run(const CommandRow& command, std::span<const std::string> arguments) {
  return command.alone != nullptr ? command.alone(arguments) : run_on_ranks(command, arguments);
}

int dispatch(std::span<const std::string> arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    print_help();
    return kExitDone;
  }
  if (word == "--version") {
    print_versions();
    return kExitDone;
  }
  if (word.starts_with("--")) return run(kCommands[0], arguments);
  const auto found = std::ranges::find_if(kCommands, [&](const CommandRow& command) { return command.name == word; });
  if (found == std::end(kCommands)) {
    throw input_error("unknown command \"{}\"; did you mean \"{}\"? clip_hpc --help lists them", word,
                      nearest_word(word, names_of(kCommands)));
  }
  return run(*found, arguments.subspan(1));
}

}  // namespace

int run_command(std::span<const std::string> arguments) {
  try {
    start_log({});
    raise_open_file_limit();
    return dispatch(arguments);
  } catch (const std::exception& problem) {
    const Failure failure = describe_failure(problem);
    fmt::print(stderr, "{}\n", failure.text);
    return failure.code;
  }
}

}  // namespace clip_hpc
