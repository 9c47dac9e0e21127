// What a run's numbers say about its health: one line each, with the likely cause, said once.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "clip_hpc/run/metrics.hpp"

namespace clip_hpc {

struct SymptomLimits {
  std::int64_t global_batch = 0, total_steps = 0;
  bool is_softmax = true;      // whose loss of a model that knows nothing is ln(batch)
  double largest_scale = 100;  // the limit of the logit scale
};

class Symptoms {
 public:
  explicit Symptoms(SymptomLimits limits) : limits_(limits) {}

  // What is new in this line of metrics. `steps`: since the line before.
  std::vector<std::string> observe(const MetricsLine& line, std::int64_t steps);

 private:
  bool first(const char* symptom) { return said_.insert(symptom).second; }

  SymptomLimits limits_;
  std::int64_t skipped_before_ = 0, stuck_steps_ = 0;
  std::set<std::string> said_;
};

}  // namespace clip_hpc
