#include "postprocess/figures/scaling_figures.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

namespace clip_hpc {
namespace {

std::set<std::string> labels_of(const ScalingRecords& records) {
  std::set<std::string> labels;
  for (const StepRecord& step : records.steps) labels.insert(step.label);
  return labels;
}

std::string size_of(int ranks, int nodes) {
  return fmt::format("{} rank{} on {} node{}", ranks, ranks == 1 ? "" : "s", nodes, nodes == 1 ? "" : "s");
}

Figure figure_of(std::string id, std::string title, const char* x_name, const char* y_name) {
  Figure figure;
  figure.id = std::move(id);
  figure.title = std::move(title);
  figure.x_name = x_name;
  figure.y_name = y_name;
  return figure;
}

Figure efficiency_figure(const ScalingRecords& records) {
  Figure figure =
      figure_of("scaling_efficiency", "Efficiency: pairs/s a rank against the smallest size", "ranks", "efficiency");
  figure.log_x = figure.percent = true;
  int colour = 0;
  for (const std::string& label : labels_of(records)) {
    Series series{.name = label + " scaling", .x = {}, .y = {}, .colour = colour++, .points = true};
    for (const StepRecord& step : records.steps) {
      if (step.label != label) continue;
      series.x.push_back(step.ranks);
      series.y.push_back(efficiency_of(records, step));
    }
    figure.series.push_back(std::move(series));
  }
  figure.lines = {{.name = "ideal", .y = 1}};
  return figure;
}

Figure time_figure(const ScalingRecords& records, const std::vector<StepPrediction>& curve) {
  Figure figure = figure_of("scaling_step", "Step time: measured, and told by the model", "ranks", "step (ms)");
  figure.log_x = figure.from_zero = true;
  int colour = 0;
  for (const std::string& label : labels_of(records)) {
    Series measured{.name = label + ", measured", .x = {}, .y = {}, .colour = colour, .points = true};
    Series told{.name = label + ", model", .x = {}, .y = {}, .colour = colour++, .dashed = true};
    for (const StepRecord& step : records.steps) {
      if (step.label != label) continue;
      measured.x.push_back(step.ranks);
      measured.y.push_back(step.step_ms);
    }
    for (const StepPrediction& one : curve) {
      if (one.label != label) continue;
      told.x.push_back(one.ranks);
      told.y.push_back(one.step_ms());
    }
    figure.series.push_back(std::move(measured));
    if (told.x.size() > 1) figure.series.push_back(std::move(told));
  }
  return figure;
}

Figure bandwidth_figure(const ScalingRecords& records, const std::string& operation, const char* title) {
  Figure figure = figure_of("scaling_busbw_" + operation, title, "bytes", "busbw (MB/s)");
  figure.log_x = figure.from_zero = true;
  std::set<std::pair<int, int>> sizes;
  for (const CommRecord& one : records.comm) {
    if (one.operation == operation && one.ranks > 1) sizes.emplace(one.ranks, one.nodes);
  }
  int colour = 0;
  for (const auto& [ranks, nodes] : sizes) {
    Series series{.name = size_of(ranks, nodes), .x = {}, .y = {}, .colour = colour++, .points = true};
    for (const CommRecord& one : records.comm) {
      if (one.operation != operation || one.ranks != ranks || one.nodes != nodes) continue;
      series.x.push_back(one.bytes);
      series.y.push_back(one.busbw_mb_s);
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

Figure rank_figure(const ScalingRecords& records) {
  Figure figure = figure_of("scaling_ranks", "Work of each rank in a step, its waits left out: the highest is slowest",
                            "rank", "work (ms)");
  figure.from_zero = true;
  int colour = 0;
  for (const StepRecord& step : records.steps) {
    if (step.label != records.steps.front().label || step.ranks < 2) continue;
    Series series{.name = size_of(step.ranks, step.nodes), .x = {}, .y = {}, .colour = colour++, .points = true};
    for (const RankTime& one : step.rank_times) {
      series.x.push_back(one.rank);
      series.y.push_back(one.work_ms);
    }
    figure.series.push_back(std::move(series));
  }
  return figure;
}

}  // namespace

double efficiency_of(const ScalingRecords& records, const StepRecord& step) {
  const StepRecord* least = &step;
  for (const StepRecord& one : records.steps) {
    if (one.label == step.label && one.ranks < least->ranks) least = &one;
  }
  return (step.pairs_per_s / step.ranks) / (least->pairs_per_s / least->ranks);
}

std::vector<Figure> scaling_figures(const ScalingRecords& records, const std::vector<StepPrediction>& curve) {
  std::vector<Figure> figures{
      efficiency_figure(records), time_figure(records, curve),
      bandwidth_figure(records, "start_all_reduce", "All-reduce that gradients travel by (non-blocking)"),
      bandwidth_figure(records, "all_reduce", "All-reduce that blocks"), rank_figure(records)};
  std::erase_if(figures, [](const Figure& figure) { return figure.series.empty(); });
  return figures;
}

}  // namespace clip_hpc
