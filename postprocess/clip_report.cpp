#include <iostream>

#include "clip_hpc/base/process.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "postprocess/report_command.hpp"

// A signal while libraries are loaded waits.
__attribute__((section(".preinit_array"), used)) static void (*const g_first)() = clip_hpc::block_stop_signals;

int main(int argc, char** argv) {
  clip_hpc::keep_others_from_writing();
  clip_hpc::watch_stop_signals();
  return clip_hpc::report_command(std::vector<std::string>(argv + 1, argv + argc), std::cout, std::cerr);
}
