// How fast GPUs train, as `clip_hpc bench step --json` measured it.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace clip_hpc {

// Achieved TFLOP/s of a GPU (backward included) by model and precision.
struct RateTable {
  std::map<std::string, double> by_model;
  double otherwise = 0;  // median; 0: unknown
  double tflops_of(const std::string& model, const std::string& precision) const;
};
RateTable read_rates(const std::filesystem::path& file);  // throws input

}  // namespace clip_hpc
