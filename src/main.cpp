// Parses the command line, dispatches to a command, and turns every Error into one line and an exit code.
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/commands.hpp"

int main(int argc, char** argv) {
  using namespace clip_hpc;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    start_log({});
    return run_command(arguments);
  } catch (const Error& problem) {
    fmt::print(stderr, "clip_hpc: {}: {}\n", name_of(problem.kind()), problem.what());
    return exit_code(problem.kind());
  } catch (const std::exception& problem) {
    fmt::print(stderr, "clip_hpc: {}\n", problem.what());
    return 1;
  }
}
