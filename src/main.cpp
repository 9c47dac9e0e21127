#include <string>
#include <vector>

#include "clip_hpc/base/process.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/commands.hpp"

// LibTorch's static objects alone take a fifth of a second.
__attribute__((section(".preinit_array"), used)) static void (*const g_first)() = clip_hpc::block_stop_signals;

int main(int argc, char** argv) {
  clip_hpc::keep_others_from_writing();
  clip_hpc::watch_stop_signals();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return clip_hpc::run_command(arguments);
}
