#include "postprocess/sections/summary_section.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

std::array<int, kStateKinds> count_states(const StudyView& study) {
  std::array<int, kStateKinds> counts{};
  for (const StudyCell& cell : study.cells) ++counts[static_cast<std::size_t>(cell.kind)];
  return counts;
}

const char* words_of(StateKind kind) {
  switch (kind) {
    case StateKind::done:
      return "done";
    case StateKind::running:
      return "running";
    case StateKind::stopped:
      return "stopped on the way";
    case StateKind::failed:
      return "failed";
    case StateKind::missing:
      return "missing";
    case StateKind::later:
      return "not trainable by this build";
  }
  return "";
}

std::string asked_words(const StudyView& study) {
  std::string axes;
  for (const std::string& axis : study.axes) {
    std::vector<std::string> labels;
    for (const StudyCell& cell : study.cells) {
      for (const GridPoint& point : cell.points) {
        for (const auto& [name, label] : point.labels) {
          if (name == axis && std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
        }
      }
    }
    if (labels.size() < 2) continue;
    constexpr std::size_t kMost = 8;
    const std::size_t more = labels.size() > kMost ? labels.size() - kMost : 0;
    labels.resize(labels.size() - more);
    axes += fmt::format("{}<b>{}</b> ({}{})", axes.empty() ? "" : " × ", escape_html(axis),
                        escape_html(fmt::format("{}", fmt::join(labels, ", "))),
                        more > 0 ? fmt::format(", {} more", more) : "");
  }
  return fmt::format("<p>Study <b>{}</b>: {} cells{}{}.</p>\n", escape_html(study.name), study.cells.size(),
                     study.grid.empty() ? "" : " of " + escape_html(study.grid), axes.empty() ? "" : ", " + axes);
}

std::string state_bar(const StudyView& study) {
  const std::array<int, kStateKinds> counts = count_states(study);
  std::string bar, legend;
  for (int i = 0; i < kStateKinds; ++i) {
    const int cells = counts[static_cast<std::size_t>(i)];
    if (cells == 0) continue;
    const auto kind = static_cast<StateKind>(i);
    bar += fmt::format("<i class=\"s-{}\" style=\"width:{:.3f}%\"></i>", name_of(kind),
                       100.0 * cells / static_cast<double>(study.cells.size()));
    legend += fmt::format("<li><s class=\"s-{}\"></s><b>{}</b> {}</li>", name_of(kind), cells, words_of(kind));
  }
  return "<div class=\"states\" aria-hidden=\"true\">" + bar + "</div>\n<ul class=\"legend\">" + legend + "</ul>\n";
}

struct Best {
  const Entry* entry = nullptr;
  double value = kNoNumber;
};

Best best_of(std::span<const Entry> entries, const Measure& measure) {
  Best best;
  for (const Entry& entry : entries) {
    const double value = newest_value(entry.tracks, measure);
    if (std::isfinite(value) && (best.entry == nullptr || value > best.value)) best = {&entry, value};
  }
  return best;
}

}  // namespace

std::string summary_section(std::span<const Entry> entries, const StudyView& study, const RunsCost& cost) {
  std::string text = "<div class=\"card\">\n";
  if (!study.empty()) text += asked_words(study) + state_bar(study);
  const auto runs = std::ranges::count_if(entries, [](const Entry& entry) { return entry.run != nullptr; });
  const auto row = [&](const std::string& name, const std::string& value) {
    text += fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(name), value);
  };
  text += "<dl class=\"left\">";
  row("runs", fmt::format("{}", runs));
  for (const Measure& measure : measures_of(entries, 3)) {
    const Best best = best_of(entries, measure);
    if (best.entry != nullptr) {
      row("best " + words_of(measure),
          fmt::format("<b>{}</b> {}", show_percent(best.value), escape_html(best.entry->name)));
    }
  }
  std::string spent = fmt::format("{} {}", show_hours(cost.whole.measured_hours), hours_word(entries));
  if (cost.whole.planned_hours > 0)
    spent += fmt::format(" of {} GPU hours planned", show_hours(cost.whole.planned_hours));
  row("cost so far", spent);
  if (cost.whole.planned_macs > 0) {
    row("forward multiply-adds",
        fmt::format("{} of {}", show_large(cost.whole.macs), show_large(cost.whole.planned_macs)));
  }
  return text + "</dl></div>\n";
}

std::vector<std::string> summary_lines(const std::vector<RunRecord>& runs, std::span<const Entry> entries,
                                       const StudyView& study, const RunsCost& cost) {
  std::vector<std::string> lines;
  if (!study.empty()) {
    const std::array<int, kStateKinds> counts = count_states(study);
    std::string line = fmt::format("study {}: {} cells", study.name, study.cells.size());
    for (int i = 0; i < kStateKinds; ++i) {
      const int cells = counts[static_cast<std::size_t>(i)];
      if (cells > 0) line += fmt::format(", {} {}", cells, words_of(static_cast<StateKind>(i)));
    }
    lines.push_back(line);
  }
  if (!study.empty() || runs.size() > kFewRuns) {
    for (const Measure& measure : measures_of(entries, 3)) {
      const Best best = best_of(entries, measure);
      lines.push_back(fmt::format("  best {:<53} {:>7} {}", words_of(measure), show_percent(best.value),
                                  best.entry == nullptr ? "" : best.entry->name));
    }
    lines.push_back(fmt::format("  {} {} in training", show_hours(cost.whole.measured_hours), hours_word(entries)));
  }
  if (!study.empty() || runs.size() > kFewRuns) return lines;
  for (const RunRecord& run : runs) {
    lines.push_back(run.name);
    for (const Track& track : tracks_of(run)) {
      if (track.best == nullptr) continue;
      const Result& newest = *track.results.back();
      std::string line = fmt::format("  {:<58} {:>7}", words_of(measure_of(track)), show_percent(track.value(newest)));
      if (newest.classes > 0) line += fmt::format(" of {} images, {} classes", newest.n, newest.classes);
      if (newest.chance) line += fmt::format("; chance {}", show_percent(*newest.chance));
      if (newest.baseline) line += fmt::format("; {} {}", baseline_words(newest), show_percent(*newest.baseline));
      lines.push_back(line);
    }
    lines.push_back(fmt::format("  {:<58} {:>7} samples/s, {} in training", "speed",
                                show_count(median_of(run.metrics, &MetricsLine::samples_per_s)),
                                show_duration(training_time_s(run.metrics))));
  }
  return lines;
}

}  // namespace clip_hpc
