// The commands of clip_hpc. Each takes the words after its name and returns the exit code.
#pragma once

#include <span>
#include <string>

namespace clip_hpc {

class World;

int run_command(std::span<const std::string> arguments);    // dispatch by the first word
int command_model(std::span<const std::string> arguments);  // size and cost of a model
int command_doctor(World& world, std::span<const std::string> arguments);  // is this allocation fit to run?

}  // namespace clip_hpc
