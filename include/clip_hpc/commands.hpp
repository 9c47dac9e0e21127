// The commands of clip_hpc. Each takes the words after its name and returns the exit code.
#pragma once

#include <span>
#include <string>

namespace clip_hpc {

class World;

// Dispatch by the first word; words that begin with "--" belong to train. Prints errors and turns them into exit codes.
int run_command(std::span<const std::string> arguments);

int command_train(World& world, std::span<const std::string> arguments);   // one training run
int command_eval(World& world, std::span<const std::string> arguments);    // metrics of a trained model
int command_pack(World& world, std::span<const std::string> arguments);    // raw data into HDF5 shards
int command_score(World& world, std::span<const std::string> arguments);   // similarity of image and text
int command_filter(World& world, std::span<const std::string> arguments);  // a subset as a list of sample ids
int command_bench(World& world, std::span<const std::string> arguments);   // rates of this machine
int command_doctor(World& world, std::span<const std::string> arguments);  // is this allocation fit to run?
int command_embed(World& world, std::span<const std::string> arguments);   // features, inputs and ids as HDF5
int command_export(World& world, std::span<const std::string> arguments);  // a model as an open_clip folder
int command_import(World& world, std::span<const std::string> arguments);  // an open_clip model as a run folder
int command_tokenize(std::span<const std::string> arguments);              // token ids of lines of text
int command_model(std::span<const std::string> arguments);                 // size and cost of a model

}  // namespace clip_hpc
