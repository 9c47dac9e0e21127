#include "postprocess/sections/scaling_findings.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "postprocess/figures/scaling_figures.hpp"

namespace clip_hpc {
namespace {

// As the largest measured size has it: ranks a node, pairs a rank or in all.
StepPrediction told(const ScalingFindings& found, const std::string& label, int ranks) {
  const StepRecord* largest = nullptr;
  for (const StepRecord& step : found.records.steps) {
    if (step.label == label && (largest == nullptr || step.ranks > largest->ranks)) largest = &step;
  }
  const int in_node = (largest->ranks + largest->nodes - 1) / largest->nodes;
  const double batch = label == "strong" ? largest->batch : largest->rows() * ranks;
  return (*found.model)(label, ranks, (ranks + in_node - 1) / in_node, batch);
}

std::string link_words(const Link& link) {
  if (!link.is_measured) return "not measured";
  return fmt::format(
      "{:.3g} us a round, {}", 1e6 * link.alpha_s,
      link.beta_s_per_byte > 0 ? fmt::format("{:.4g} MB/s", 1e-6 / link.beta_s_per_byte) : "bytes cost nothing");
}

}  // namespace

std::vector<std::string> labels_of(const ScalingRecords& records) {
  std::vector<std::string> labels;
  for (const StepRecord& step : records.steps) {
    if (std::ranges::find(labels, step.label) == labels.end()) labels.push_back(step.label);
  }
  return labels;
}

std::string fit_words(const AlphaBeta& fit) {
  return fmt::format("{}; between nodes {}; within a node {}; {} measurements, off by {:.0f} % (root mean square)",
                     name_of(fit.shape), link_words(fit.between), link_words(fit.within), fit.samples, 100 * fit.rms);
}

std::string signed_percent(double share) { return fmt::format("{:+.1f} %", 100 * share); }

ScalingFindings find_scaling(const ScalingPageOptions& options) {
  ScalingFindings found;
  found.records = read_scaling(options.place);
  const int most = most_ranks_of(found.records);
  found.model = fit_step_model(found.records, most, found.no_model);
  found.held_out = held_out_steps(found.records, found.no_check);
  if (!found.model) return found;
  int farthest = most;
  for (const int ranks : options.predict_ranks) farthest = std::max(farthest, ranks);
  for (const std::string& label : labels_of(found.records)) {
    for (const int ranks : options.predict_ranks) {
      const StepPrediction one = told(found, label, ranks);
      if (one.batch >= ranks) found.asked.push_back(one);
    }
    int least = most;
    for (const StepRecord& step : found.records.steps) {
      if (step.label == label) least = std::min(least, step.ranks);
    }
    for (double ranks = least; ranks < farthest * 1.001; ranks *= 1.25) {
      const StepPrediction one = told(found, label, static_cast<int>(std::lround(ranks)));
      if (!found.curve.empty() && found.curve.back().label == label && found.curve.back().ranks == one.ranks) continue;
      if (one.batch >= one.ranks) found.curve.push_back(one);
    }
  }
  return found;
}

std::vector<std::string> scaling_summary(const ScalingFindings& found) {
  std::vector<std::string> lines;
  for (const std::string& label : labels_of(found.records)) {
    const StepRecord* any = nullptr;
    for (const StepRecord& step : found.records.steps) {
      if (step.label == label) any = &step;
    }
    lines.push_back(fmt::format(
        "{} scaling of {}, {}, {}", label, any->model, any->precision,
        label == "strong" ? fmt::format("{} pairs in all", any->batch) : fmt::format("{} pairs a rank", any->rows())));
    lines.push_back(fmt::format("  {:>6} {:>6} {:>10} {:>11} {:>11} {:>9} {:>9} {:>9}  {}", "ranks", "nodes", "step ms",
                                "pairs/s", "efficiency", "work", "comm", "data", "slowest rank"));
    for (const StepRecord& step : found.records.steps) {
      if (step.label != label) continue;
      const RankTime& slow = step.slowest();
      lines.push_back(fmt::format(
          "  {:>6} {:>6} {:>10.2f} {:>11.1f} {:>9.1f} % {:>9.2f} {:>9.2f} {:>9.2f}  {}", step.ranks, step.nodes,
          step.step_ms, step.pairs_per_s, 100 * efficiency_of(found.records, step), step.work_ms(), step.comm_wait_ms(),
          step.data_wait_ms(), fmt::format("{} on {}, {:.2f} ms", slow.rank, slow.host, slow.work_ms)));
    }
  }
  for (const CheckpointRecord& one : found.records.checkpoints) {
    lines.push_back(fmt::format("checkpoint of {:.1f} MiB on {} ranks: written in {:.0f} ms, read in {:.0f} ms",
                                one.bytes / 1048576.0, one.ranks, one.write_ms, one.read_ms));
  }
  if (!found.model) {
    lines.push_back("no model of the step: " + found.no_model);
    return lines;
  }
  lines.push_back("gradients travel as: " + fit_words(*found.model->gradients));
  for (const HeldOutStep& one : found.held_out) {
    lines.push_back(fmt::format(
        "held out, {} on {} ranks: step predicted {:.1f} ms, measured {:.1f} ms, {}; gradients alone {:.1f} and {:.1f} "
        "ms, {}",
        one.label, one.predicted.ranks, one.predicted.step_ms(), one.measured_ms, signed_percent(one.miss()),
        one.predicted.gradients_ms, one.gradients_ms, signed_percent(one.gradients_miss())));
  }
  if (found.held_out.empty()) lines.push_back("not checked on a larger size: " + found.no_check);
  for (const StepPrediction& one : found.asked) {
    lines.push_back(
        fmt::format("predicted, {} on {} ranks: step {:.1f} ms, {:.1f} pairs/s (work {:.1f}, gradients "
                    "exposed {:.1f} of {:.1f}, gather {:.1f}, rest {:.1f})",
                    one.label, one.ranks, one.step_ms(), one.pairs_per_s(), one.work_ms, one.exposed_ms,
                    one.gradients_ms, one.gather_ms, one.rest_ms));
  }
  return lines;
}

}  // namespace clip_hpc
