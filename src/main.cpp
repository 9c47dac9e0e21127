#include <string>
#include <vector>

#include "clip_hpc/commands.hpp"

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return clip_hpc::run_command(arguments);
}
