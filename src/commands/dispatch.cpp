#include <c10/util/Exception.h>
#include <fmt/ranges.h>
#include <hdf5.h>
#include <torch/headeronly/version.h>

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/ops/linear.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kHelp = R"(clip_hpc: train and study CLIP on HPC clusters

  clip_hpc [train] --config FILE   train one model
  clip_hpc pack                    pictures and captions into HDF5 shards
  clip_hpc score                   similarity of image and caption of each sample, by a trained model
  clip_hpc filter                  a subset of a packed set, as a list of sample ids
  clip_hpc eval                    zero-shot accuracy and retrieval of a trained model
  clip_hpc embed                   features, model inputs and token ids as HDF5
  clip_hpc tokenize                token ids of lines of text
  clip_hpc export                  a model as a folder that open_clip loads
  clip_hpc import                  a model of open_clip as a run folder
  clip_hpc bench                   rates of this machine: training step, data loading
  clip_hpc doctor                  is this allocation fit to run?
  clip_hpc model FILE...           parameters and multiply-adds of models in open_clip's JSON
  clip_hpc --version               versions of the program and its libraries

Each has --help. All but model and tokenize run on as many ranks as mpirun or srun starts.

Examples:
  clip_hpc pack --from glyphs --output packed/glyphs --train-tokenizer 1000
  mpirun -np 2 clip_hpc --config configs/quickstart.cfg
  clip_hpc eval --model runs/quickstart/letters --data packed/glyphs/test_letters

Exit codes: 0 done, 2 bad input, 3 storage, 4 communication, 5 device, 75 stopped cleanly: submit again.
)";

constexpr double kFailureMeeting_s = 3;  // how long a failed rank waits for the others to fail as well

using Command = int (*)(World& world, std::span<const std::string> arguments);

struct Failure {
  int code;
  std::string text;
};

Failure describe_failure(const std::exception& problem) {
  if (const auto* error = dynamic_cast<const Error*>(&problem)) {
    return {exit_code(error->kind()), fmt::format("clip_hpc: {}: {}", name_of(error->kind()), error->what())};
  }
  // LibTorch's own words for a GPU that fails, or has no memory left; the first line says what, the rest is its stack.
  if (const auto* error = dynamic_cast<const c10::Error*>(&problem)) {
    const bool is_device = dynamic_cast<const c10::OutOfMemoryError*>(error) != nullptr ||
                           dynamic_cast<const c10::AcceleratorError*>(error) != nullptr;
    return {is_device ? kExitDevice : 1,
            fmt::format("clip_hpc: {}{}", is_device ? "device: " : "", error->what_without_backtrace())};
  }
  return {1, fmt::format("clip_hpc: {}", problem.what())};
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

int run_on_world(Command command, std::span<const std::string> arguments) {
  // From here on, so that a signal while MPI and the data come up stops the run after its first step.
  if (command == command_train) install_shutdown_signals();
  World world;
  start_log({.rank = world.rank(), .file = {}});
  try {
    return command(world, arguments);
  } catch (const std::exception& problem) {
    return report_failure(world, describe_failure(problem));
  }
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

int dispatch(std::span<const std::string> arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    std::fputs(kHelp, stdout);
    return kExitDone;
  }
  if (word == "--version") {
    print_versions();
    return kExitDone;
  }
  if (word.starts_with("--")) return run_on_world(command_train, arguments);
  const auto rest = arguments.subspan(1);
  if (word == "train") return run_on_world(command_train, rest);
  if (word == "eval") return run_on_world(command_eval, rest);
  if (word == "pack") return run_on_world(command_pack, rest);
  if (word == "score") return run_on_world(command_score, rest);
  if (word == "filter") return run_on_world(command_filter, rest);
  if (word == "bench") return run_on_world(command_bench, rest);
  if (word == "doctor") return run_on_world(command_doctor, rest);
  if (word == "embed") return run_on_world(command_embed, rest);
  if (word == "export") return run_on_world(command_export, rest);
  if (word == "import") return run_on_world(command_import, rest);
  if (word == "tokenize") return command_tokenize(rest);
  if (word == "model") return command_model(rest);
  throw input_error("unknown command \"{}\"; did you mean \"{}\"? clip_hpc --help lists them", word,
                    nearest_word(word, {"train", "eval", "pack", "score", "filter", "embed", "tokenize", "export",
                                        "import", "bench", "doctor", "model"}));
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
