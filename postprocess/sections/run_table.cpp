#include "postprocess/sections/run_table.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "postprocess/html/html_table.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kMeasures = 3;
constexpr std::size_t kSparkPoints = 24;

// The loss of a run as a line in its row: one that diverged or stands still is seen among hundreds.
std::string spark(const std::vector<MetricsLine>& lines) {
  std::vector<double> means;
  const std::size_t count = std::min(lines.size(), kSparkPoints);
  for (std::size_t bucket = 0; bucket < count; ++bucket) {
    double sum = 0, measured = 0;
    for (std::size_t i = bucket * lines.size() / count; i < (bucket + 1) * lines.size() / count; ++i) {
      if (!std::isfinite(lines[i].loss)) continue;
      sum += lines[i].loss;
      measured += 1;
    }
    if (measured > 0) means.push_back(sum / measured);
  }
  if (means.size() < 2) return "";
  const auto [least, most] = std::ranges::minmax(means);
  const double range = most > least ? most - least : 1;
  std::string points;
  for (std::size_t i = 0; i < means.size(); ++i) {
    points += fmt::format("{}{:.3g},{:.3g}", i == 0 ? "" : " ",
                          60.0 * static_cast<double>(i) / static_cast<double>(means.size() - 1),
                          1 + 14 * (most - means[i]) / range);
  }
  return fmt::format(
      "<svg class=\"spark\" viewBox=\"0 0 60 16\" width=\"60\" height=\"16\" role=\"img\" aria-label=\"loss from "
      "{:.3g} "
      "to {:.3g}\"><polyline points=\"{}\"/></svg>",
      means.front(), means.back(), points);
}

Field state_field(const Entry& entry) {
  if (entry.cell == nullptr) return {};
  const StudyCell& cell = *entry.cell;
  const double progress = cell.stages.empty() ? 0 : cell.stages.front().progress;
  return {fmt::format("<span class=\"state s-{}\"{}>{}</span>", name_of(cell.kind),
                      progress > 0 ? fmt::format(" title=\"{:.0f} % of the samples\"", 100 * progress) : "",
                      escape_html(cell.state)),
          kNoNumber};
}

Field percent_field(double share) { return number_field(share, show_percent(share)); }

double positive(double value) { return value > 0 ? value : kNoNumber; }

std::vector<Field> row_of(const Entry& entry, const StudyView& study, const std::vector<Measure>& measures) {
  std::vector<Field> row{text_field(entry.name)};
  if (!study.empty()) {
    row.push_back(state_field(entry));
    for (const std::string& axis : study.axes) {
      row.push_back(text_field(entry.cell == nullptr ? "" : entry.cell->label_of(axis)));
    }
  }
  const bool has_axis = entry.cell != nullptr;  // tower and strategy stand among the axes
  row.push_back(text_field(has_axis ? "" : entry.tower));
  row.push_back(text_field(has_axis ? "" : entry.strategy));
  row.push_back(count_field(entry.cell == nullptr ? kNoNumber : positive(entry.cell->set_samples)));
  for (const Measure& measure : measures) {
    const double value = newest_value(entry.tracks, measure);
    row.push_back(percent_field(value));
  }
  static const std::vector<MetricsLine> kNone;
  const std::vector<MetricsLine>& lines = entry.run == nullptr ? kNone : entry.run->metrics;
  const auto median = [&](double MetricsLine::*member) { return median_of(lines, member); };
  row.push_back({spark(lines), last_of(lines, &MetricsLine::loss)});
  row.push_back(number_field(last_of(lines, &MetricsLine::loss), show_number(last_of(lines, &MetricsLine::loss))));
  row.push_back(count_field(positive(entry.samples_seen())));
  row.push_back(lines.empty()
                    ? Field{}
                    : number_field(static_cast<double>(lines.back().step), fmt::format("{}", lines.back().step)));
  row.push_back(number_field(positive(entry.measured_hours()), show_hours(entry.measured_hours())));
  row.push_back(hours_field(entry.cell == nullptr ? kNoNumber : positive(entry.cell->planned_hours)));
  const double macs = entry.cell == nullptr ? kNoNumber : positive(entry.cell->macs * entry.samples_seen());
  row.push_back(number_field(macs, show_large(macs)));
  row.push_back(count_field(median(&MetricsLine::samples_per_s)));
  row.push_back(percent_field(median(&MetricsLine::data_wait_share)));
  row.push_back(percent_field(median(&MetricsLine::comm_wait_share)));
  row.push_back(percent_field(median(&MetricsLine::compute_share)));
  row.push_back(number_field(median(&MetricsLine::tflops), show_number(median(&MetricsLine::tflops))));
  row.push_back(percent_field(median(&MetricsLine::utilisation)));
  std::int64_t rss_bytes = 0;
  for (const MetricsLine& line : lines) rss_bytes = std::max(rss_bytes, line.rss_bytes);
  row.push_back(number_field(positive(static_cast<double>(rss_bytes)), show_bytes(rss_bytes)));
  const auto number = [](std::size_t value) {
    return number_field(static_cast<double>(value), fmt::format("{}", value));
  };
  const bool has_starts = entry.run != nullptr && !entry.run->starts.empty();
  row.push_back(has_starts ? number(static_cast<std::size_t>(entry.run->starts.back().world_size)) : Field{});
  row.push_back(has_starts ? number(entry.run->starts.size()) : Field{});
  const double time_s = training_time_s(lines);
  row.push_back(number_field(positive(time_s), show_duration(time_s)));
  row.push_back(lines.empty() ? Field{} : number(static_cast<std::size_t>(lines.back().skipped_steps)));
  row.push_back(entry.run == nullptr ? Field{} : number(entry.run->checkpoint_steps.size()));
  return row;
}

}  // namespace

std::string run_table(std::span<const Entry> entries, const StudyView& study) {
  const std::vector<Measure> measures = measures_of(entries, kMeasures);
  HtmlTable table{.id = "runs", .columns = {{"run", true}}, .rows = {}, .foot = {}, .row_word = "runs"};
  if (!study.empty()) {
    table.columns.push_back({"state", true, true});
    for (const std::string& axis : study.axes) table.columns.push_back({axis, true, true});
  }
  table.columns.push_back({"model", true, true});
  table.columns.push_back({"strategy", true, true});
  table.columns.push_back({"distinct samples"});
  for (const Measure& measure : measures) table.columns.push_back({words_of(measure)});
  table.columns.push_back({"loss"});
  for (const char* name :
       {"last loss", "samples seen", "steps", hours_word(entries), "planned GPU hours", "forward MACs", "samples/s",
        "data wait", "comm wait", "computing", "TFLOP/s a rank", "of GEMM peak", "memory a rank", "ranks", "starts",
        "training time", "skipped steps", "checkpoints"}) {
    table.columns.push_back({.name = name, .is_detail = std::string_view(name) == "samples/s"});
  }
  for (const Entry& entry : entries) table.rows.push_back(row_of(entry, study, measures));
  return to_html(table) +
         "<p class=\"note\">The newest evaluation speaks for a run. Rates and waits are medians over the logged steps; "
         "MACs are forward multiply-adds of both towers times samples seen.</p>\n";
}

}  // namespace clip_hpc
