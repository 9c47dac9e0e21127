#include <string>
#include <vector>

#include "clip_hpc/base/stop_signal.hpp"
#include "clip_hpc/study/study_command.hpp"

int main(int argc, char** argv) {
  clip_hpc::watch_stop_signals();
  return clip_hpc::study_command(std::vector<std::string>(argv + 1, argv + argc));
}
