// The scaling report: one page, its numbers as CSV beside it, its lines for the terminal.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace clip_hpc {

struct ScalingPageOptions {
  std::filesystem::path place;   // folder of clip_study scaling, or a file of such lines
  std::filesystem::path output;  // FILE.html, or a folder that gets scaling.html; empty: the terminal alone
  std::vector<int> predict_ranks;
};

struct ScalingPage {
  std::filesystem::path page;  // empty: none was asked for
  std::size_t figures = 0;
  std::vector<std::string> summary;  // for the terminal
  std::vector<std::string> broken;   // lines that could not be read, figures that could not be drawn
};

// Throws input (nothing measured, no gnuplot) and storage.
ScalingPage write_scaling_page(const ScalingPageOptions& options);

}  // namespace clip_hpc
