#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

struct EvalOptions {  // [eval]
  std::int64_t every_samples = 0;
  std::vector<std::string> data;
  std::vector<std::string> tasks{"zeroshot"};
  std::string view = "resize";
  std::string captions = "all";
  std::int64_t pictures = 24;
};
void describe(OptionTable& table, EvalOptions& options);

}  // namespace clip_hpc
