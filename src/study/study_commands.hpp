// The commands of clip_study: each reads its options, does its work and returns the exit code.
#pragma once

#include <string>
#include <vector>

namespace clip_hpc {

int command_plan(const std::vector<std::string>& arguments);
int command_submit(const std::vector<std::string>& arguments);
int command_status(const std::vector<std::string>& arguments);
int command_cancel(const std::vector<std::string>& arguments);
int command_collect(const std::vector<std::string>& arguments);
int command_hold(const std::vector<std::string>& arguments);
int command_scaling(const std::vector<std::string>& arguments);

}  // namespace clip_hpc
