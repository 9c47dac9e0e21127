// A step on any number of ranks, told from the measured ones:
//   step = work + waiting for data + max(0, gradients - hidden) + gather + rest
// work: of the measured sizes the median (weak), or work_0 + rows x work_1 (strong). gradients, gather: the alpha-beta
// model of their collectives, times what the same exchange took alone over what the model says of it. hidden: the share
// of the work behind which an exchange disappears. rest: what is left of the measured steps, mostly waiting for the
// slowest rank.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "postprocess/fit/alpha_beta.hpp"
#include "postprocess/fit/scaling_lines.hpp"

namespace clip_hpc {

struct StepPrediction {
  std::string label;
  int ranks = 1, nodes = 1;
  double batch = 0;
  double work_ms = 0, data_wait_ms = 0, gradients_ms = 0, exposed_ms = 0, gather_ms = 0, rest_ms = 0;
  double step_ms() const { return work_ms + data_wait_ms + exposed_ms + gather_ms + rest_ms; }
  double pairs_per_s() const { return 1e3 * batch / step_ms(); }
};

struct StepModel {
  std::optional<AlphaBeta> gradients, all_gather, reduce_scatter;  // none: one rank, or not measured
  double gradients_factor = 1, gather_factor = 1;                  // alone, measured over modelled
  double work_0_ms = 0, work_1_ms = 0;                             // work = work_0 + rows x work_1
  double hidden_share = 0;                                         // of the work
  double data_wait_ms = 0, rest_ms = 0;
  double gradient_bytes = 0, gradient_buckets = 1, gather_bytes_of_pair = 0;
  StepPrediction operator()(const std::string& label, int ranks, int nodes, double batch) const;
};

// Of the records with at most `most_ranks` ranks. Nothing, with the reason in `why`, when they do not suffice.
std::optional<StepModel> fit_step_model(const ScalingRecords& records, int most_ranks, std::string& why);

struct HeldOutStep {  // fitted without the largest world size, asked for it
  std::string label;
  StepPrediction predicted;
  double measured_ms = 0;   // the step
  double gradients_ms = 0;  // the exchange alone, measured
  double miss() const { return predicted.step_ms() / measured_ms - 1; }
  double gradients_miss() const { return gradients_ms > 0 ? predicted.gradients_ms / gradients_ms - 1 : 0; }
};
std::vector<HeldOutStep> held_out_steps(const ScalingRecords& records, std::string& why);

int most_ranks_of(const ScalingRecords& records);

}  // namespace clip_hpc
