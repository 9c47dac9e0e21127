#include <iostream>

#include "postprocess/report_command.hpp"

int main(int argc, char** argv) {
  return clip_hpc::report_command(std::vector<std::string>(argv + 1, argv + argc), std::cout, std::cerr);
}
