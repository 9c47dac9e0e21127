#include <cstdio>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kHelp = R"(clip_hpc: train and study CLIP on HPC clusters

  clip_hpc model FILE...     parameters and multiply-adds of models in open_clip's JSON
  clip_hpc --version         versions of the program and of LibTorch
  clip_hpc --help            this text

Examples:
  clip_hpc model configs/models/ViT-B-32.json

Exit codes: 0 done, 2 bad input, 3 storage, 4 communication, 5 device, 75 stopped cleanly: submit again.
)";

}  // namespace

int run_command(std::span<const std::string> arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    std::fputs(kHelp, stdout);
    return kExitDone;
  }
  if (word == "--version") {
    fmt::print("clip_hpc {} ({})\nLibTorch {}\n", program_version(), git_commit(), TORCH_VERSION);
    return kExitDone;
  }
  if (word == "model") return command_model(arguments.subspan(1));
  throw input_error("unknown command \"{}\"; did you mean \"{}\"? clip_hpc --help lists them", word,
                    nearest_word(word, {"model", "--help", "--version"}));
}

}  // namespace clip_hpc
