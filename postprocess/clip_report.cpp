#include <iostream>

#include "clip_hpc/base/stop_signal.hpp"
#include "postprocess/report_command.hpp"

int main(int argc, char** argv) {
  clip_hpc::watch_stop_signals();
  return clip_hpc::report_command(std::vector<std::string>(argv + 1, argv + argc), std::cout, std::cerr);
}
