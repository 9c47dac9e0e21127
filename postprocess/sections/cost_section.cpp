#include "postprocess/sections/cost_section.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "postprocess/html/html_table.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

constexpr double kJoulesPerKwh = 3.6e6;

void add(CostSum& sum, const Entry& entry) {
  ++sum.cells;
  sum.measured_hours += entry.measured_hours();
  if (entry.cell == nullptr) {
    ++sum.done;
    return;
  }
  const StudyCell& cell = *entry.cell;
  if (cell.kind == StateKind::done) ++sum.done;
  sum.planned_hours += cell.planned_hours;
  sum.planned_macs += cell.macs * (cell.samples - cell.shared_samples);
  if (cell.shared_samples > 0) {
    ++sum.forks;
    sum.shared_macs += cell.macs * cell.shared_samples;
  }
  const double seen = entry.samples_seen();
  if (std::isfinite(seen)) sum.macs += cell.macs * std::max(0.0, seen - cell.shared_samples);
  if (std::isfinite(cell.energy_j)) {
    sum.energy_j += cell.energy_j;
    ++sum.with_energy;
  }
}

double share_of(double part, double whole) { return whole > 0 ? part / whole : kNoNumber; }

std::vector<Field> row_of(const std::string& name, const CostSum& sum, double all_hours) {
  const auto positive = [](double value) { return value > 0 ? value : kNoNumber; };
  const auto large = [&](double value) { return number_field(positive(value), show_large(value)); };
  const double share = share_of(sum.measured_hours, all_hours);
  const double energy_kwh = sum.with_energy > 0 ? sum.energy_j / kJoulesPerKwh : kNoNumber;
  return {text_field(name),
          number_field(sum.cells, fmt::format("{}", sum.cells)),
          number_field(sum.done, fmt::format("{}", sum.done)),
          hours_field(positive(sum.planned_hours)),
          hours_field(sum.measured_hours),
          number_field(share, show_percent(share)),
          large(sum.planned_macs),
          large(sum.macs),
          large(sum.planned_flops()),
          large(sum.flops()),
          number_field(energy_kwh, show_hours(energy_kwh))};
}

HtmlTable form(const char* id, const char* first, const char* hours) {
  HtmlTable table{
      .id = id, .columns = {{first, true}}, .rows = {}, .foot = {}, .is_sortable = false, .row_word = "rows"};
  for (const std::string& name :
       {std::string("runs"), std::string("done"), std::string("planned GPU hours"), std::string(hours) + " so far",
        std::string("share"), std::string("planned MACs"), std::string("MACs so far"), std::string("planned FLOPs"),
        std::string("FLOPs so far"), std::string("energy (kWh)")}) {
    table.columns.push_back({name});
  }
  return table;
}

HtmlTable stage_table(const RunsCost& cost) {
  HtmlTable table{
      .id = "cost_by_stage",
      .columns = {{"stage", true}, {"done"}, {"starts"}, {"failed attempts"}, {"lost"}, {"hours of the clock"}},
      .rows = {},
      .foot = {},
      .is_sortable = false,
      .row_word = "rows"};
  const auto number = [](auto value) { return number_field(static_cast<double>(value), fmt::format("{}", value)); };
  for (const StageCost& stage : cost.stages) {
    table.rows.push_back({text_field(stage.stage), number(stage.done), number(stage.starts), number(stage.failed),
                          number(stage.lost), hours_field(stage.wall_hours)});
  }
  return table;
}

}  // namespace

double RunsCost::wasted_share() const {
  const auto failed = by_state.find(StateKind::failed);
  return failed == by_state.end() ? 0 : share_of(failed->second.measured_hours, whole.measured_hours);
}

double RunsCost::unfinished_share() const {
  double hours = 0;
  for (const auto& [kind, sum] : by_state) {
    if (kind != StateKind::done && kind != StateKind::failed) hours += sum.measured_hours;
  }
  return share_of(hours, whole.measured_hours);
}

RunsCost cost_of(std::span<const Entry> entries, const StudyView& study) {
  RunsCost cost;
  for (const std::string& stage : study.stages) {
    StageCost one;
    one.stage = stage;
    cost.stages.push_back(one);
  }
  for (const Entry& entry : entries) {
    add(cost.whole, entry);
    add(cost.by_series[entry.series().empty() ? "unknown" : entry.series()], entry);
    if (entry.cell == nullptr) continue;
    add(cost.by_state[entry.cell->kind], entry);
    for (std::size_t i = 0; i < entry.cell->stages.size() && i < cost.stages.size(); ++i) {
      const StageNote& note = entry.cell->stages[i];
      if (note.state == "done") ++cost.stages[i].done;
      cost.stages[i].starts += note.starts;
      cost.stages[i].failed += note.attempts;
      cost.stages[i].lost += note.lost;
      cost.stages[i].wall_hours += note.wall_hours;
    }
  }
  return cost;
}

std::string cost_section(const RunsCost& cost, const char* hours) {
  const double all = cost.whole.measured_hours;
  HtmlTable series = form("cost_by_series", "tower, strategy", hours);
  for (const auto& [name, sum] : cost.by_series) series.rows.push_back(row_of(name, sum, all));
  if (series.rows.size() > 1) series.foot = row_of("all", cost.whole, all);
  std::string text;
  if (!cost.by_state.empty() && all > 0) {
    text += fmt::format("<p>{} of the {} went into cells that failed, {} into cells that are not finished.</p>\n",
                        show_percent(cost.wasted_share()), hours, show_percent(cost.unfinished_share()));
  }
  if (cost.whole.forks > 0) {
    text += fmt::format(
        "<p>{} cells began from a checkpoint of a longer one: {} MACs ({} of all) were computed once in place of twice "
        "or "
        "more.</p>\n",
        cost.whole.forks, show_large(cost.whole.shared_macs),
        show_percent(share_of(cost.whole.shared_macs, cost.whole.planned_macs + cost.whole.shared_macs)));
  }
  text += to_html(series);
  if (!cost.by_state.empty()) {
    HtmlTable states = form("cost_by_state", "state", hours);
    for (const auto& [kind, sum] : cost.by_state) states.rows.push_back(row_of(name_of(kind), sum, all));
    text += to_html(states);
  }
  if (!cost.stages.empty()) text += to_html(stage_table(cost));
  return text + fmt::format(
                    "<p class=\"note\">{}: ranks times training time. MACs as in <i>Scaling (Down) CLIP</i>: forward "
                    "multiply-adds of both towers times samples; FLOPs: 6 for each, with backward.{}</p>\n",
                    hours,
                    cost.stages.empty() ? ""
                                        : " Hours of the clock: between start and end of a stage, failed "
                                          "attempts with them, those that died without a word without.");
}

}  // namespace clip_hpc
