#include "postprocess/figures/run_figures.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>
#include <set>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kFewPoints = 40;  // up to here every point gets a mark

void add_series(Figure& figure, Series series) {
  const bool drawable = std::any_of(series.y.begin(), series.y.end(), [](double y) { return std::isfinite(y); });
  if (!drawable) return;
  series.points = series.x.size() <= kFewPoints;
  figure.series.push_back(std::move(series));
}

Series curve_of(const RunRecord& run, std::size_t run_index, double MetricsLine::*member) {
  Series series;
  series.name = run.name;
  series.colour = static_cast<int>(run_index);
  for (const MetricsLine& line : run.metrics) {
    series.x.push_back(static_cast<double>(line.samples_seen));
    series.y.push_back(line.*member);
  }
  return series;
}

Figure curve_figure(const std::vector<RunRecord>& runs, const Figure& form, double MetricsLine::*member) {
  Figure figure = form;
  for (std::size_t i = 0; i < runs.size(); ++i) add_series(figure, curve_of(runs[i], i, member));
  return figure;
}

// Runs on one dataset share chance and baseline as a rule; where they differ each gets its line.
void add_reference(Figure& figure, const std::string& name, double value, bool strong) {
  if (!std::isfinite(value)) return;
  for (const ReferenceLine& line : figure.lines) {
    if (line.name == name && std::abs(line.y - value) < 1e-9) return;
  }
  figure.lines.push_back({name, value, strong});
}

std::string id_of(const std::string& text, const std::set<std::string>& taken) {
  std::string id;
  for (const char c : text) id += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '_';
  std::string unique = id;
  for (int i = 2; taken.contains(unique); ++i) unique = fmt::format("{}_{}", id, i);
  return unique;
}

std::string metric_words(const std::string& task, const std::string& metric) {
  if (task == kTaskZeroshot && metric == "acc1") return "zero-shot accuracy";
  std::string words = metric == "acc1" ? task + " accuracy" : metric;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

std::vector<Figure> result_figures(const std::vector<RunRecord>& runs) {
  std::vector<Figure> figures;
  std::set<std::string> ids;
  std::vector<std::pair<std::string, std::string>> keys;  // (task, dataset) of each figure
  for (std::size_t i = 0; i < runs.size(); ++i) {
    for (const Track& track : tracks_of(runs[i])) {
      if (track.best == nullptr) continue;
      const std::pair key{track.task, track.dataset};
      const auto at = std::find(keys.begin(), keys.end(), key) - keys.begin();
      if (at == std::ssize(keys)) {
        keys.push_back(key);
        Figure figure;
        figure.id = id_of(track.task + "_" + track.dataset, ids);
        ids.insert(figure.id);
        figure.title = fmt::format("{} on {}", metric_words(track.task, track.metric), track.dataset);
        figure.title[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(figure.title[0])));
        figure.y_name = metric_words(track.task, track.metric);
        figure.percent = true;
        figures.push_back(std::move(figure));
      }
      Figure& figure = figures[static_cast<std::size_t>(at)];
      Series series;
      series.name = track.label.empty() ? runs[i].name : runs[i].name + " · " + track.label;
      series.colour = static_cast<int>(i);
      series.dashed = !track.label.empty();
      for (const Result* result : track.results) {
        series.x.push_back(static_cast<double>(result->samples_seen));
        series.y.push_back(track.value(*result));
        if (result->chance) add_reference(figure, "chance", *result->chance, false);
        if (result->baseline) {
          const std::string& name = result->baseline_name;
          add_reference(figure, name.empty() ? "baseline" : "baseline: " + name, *result->baseline, true);
        }
      }
      add_series(figure, std::move(series));
    }
  }
  return figures;
}

}  // namespace

std::vector<Figure> figures_of(const std::vector<RunRecord>& runs, bool log_x) {
  std::vector<Figure> figures = result_figures(runs);
  const auto form = [](const char* id, const char* title, const char* y_name, bool from_zero) {
    Figure figure;
    figure.id = id;
    figure.title = title;
    figure.y_name = y_name;
    figure.from_zero = from_zero;
    return figure;
  };
  figures.push_back(curve_figure(runs, form("loss", "Training loss", "loss", false), &MetricsLine::loss));
  Figure throughput = form("samples_per_s", "Throughput (mean of nearby steps)", "samples per second", true);
  throughput.smooth = true;
  figures.push_back(curve_figure(runs, throughput, &MetricsLine::samples_per_s));
  const auto waiting = [&](const char* id, const char* title, double MetricsLine::*member) {
    Figure figure = form(id, title, "share of the step", true);
    figure.percent = true;
    figure.smooth = true;
    figures.push_back(curve_figure(runs, figure, member));
  };
  waiting("data_wait", "Waiting for data (mean of nearby steps)", &MetricsLine::data_wait_share);
  waiting("comm_wait", "Waiting for other ranks (mean of nearby steps)", &MetricsLine::comm_wait_share);
  figures.push_back(curve_figure(runs, form("logit_scale", "Logit scale (1 / temperature)", "logit scale", true),
                                 &MetricsLine::logit_scale));
  figures.push_back(
      curve_figure(runs, form("grad_norm", "Gradient norm", "gradient norm", true), &MetricsLine::grad_norm));
  figures.push_back(curve_figure(runs, form("lr", "Learning rate", "learning rate", true), &MetricsLine::lr));
  std::erase_if(figures, [](const Figure& figure) { return figure.series.empty(); });
  for (Figure& figure : figures) figure.log_x = log_x;
  return figures;
}

std::string csv_of_curves(const std::vector<RunRecord>& runs) {
  std::string text =
      "run,step,samples_seen,loss,logit_scale,lr,grad_norm,samples_per_s,data_wait_share,comm_wait_share\n";
  for (const RunRecord& run : runs) {
    std::string name = "\"";
    for (const char c : run.name) name += c == '"' ? std::string("\"\"") : std::string(1, c);
    name += '"';
    for (const MetricsLine& line : run.metrics) {
      fmt::format_to(std::back_inserter(text), "{},{},{}", name, line.step, line.samples_seen);
      for (const double value : {line.loss, line.logit_scale, line.lr, line.grad_norm, line.samples_per_s,
                                 line.data_wait_share, line.comm_wait_share}) {
        if (std::isfinite(value)) {
          fmt::format_to(std::back_inserter(text), ",{:.6g}", value);
        } else {
          text += ',';
        }
      }
      text += '\n';
    }
  }
  return text;
}

}  // namespace clip_hpc
