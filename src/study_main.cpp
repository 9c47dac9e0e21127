#include <string>
#include <vector>

#include "clip_hpc/study/study_command.hpp"

int main(int argc, char** argv) { return clip_hpc::study_command(std::vector<std::string>(argv + 1, argv + argc)); }
