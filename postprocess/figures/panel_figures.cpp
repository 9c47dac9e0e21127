#include "postprocess/figures/panel_figures.hpp"

#include <algorithm>
#include <cctype>

#include <fmt/format.h>

namespace clip_hpc {

std::string capital(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

std::string error_words(const RoleMeasure& measure) {
  return measure.is_recall() ? "1 - recall@1, " + measure.how : measure.how + " error";
}
std::string accuracy_words(const RoleMeasure& measure) {
  return measure.is_recall() ? "recall@1, " + measure.how : measure.how + " accuracy";
}

const char* x_words(XAxis x) {
  switch (x) {
    case XAxis::compute:
      return "compute: forward multiply-adds (1e9)";
    case XAxis::set:
      return "distinct pairs";
    case XAxis::epochs:
      return "times each pair is seen";
    case XAxis::quality:
      return "share of the data, best pairs first";
    case XAxis::time:
      return "measured training time: seconds, times ranks";
  }
  return "";
}

const char* split_words(Split split) {
  switch (split) {
    case Split::towers:
      return ", by tower";
    case Split::families:
      return ", by network family";
    case Split::strategies:
      return ", by strategy";
    case Split::augmentations:
      return ", by augmentation";
    default:
      return "";
  }
}

Figure panel_form(const Panel& panel, const std::string& number, const char* what) {
  Figure figure;
  std::size_t digits = 0;
  while (digits < number.size() && std::isdigit(static_cast<unsigned char>(number[digits])) != 0) ++digits;
  figure.id = fmt::format("fig{:0>2}{}_{}", number.substr(0, digits), number.substr(digits), what);
  figure.percent = true;
  figure.log_x = figure.log_y = panel.log;
  figure.fitted = !panel.log;
  return figure;
}

std::string panel_note(const PanelData& data) {
  std::string which;
  const StudyPoint* some = data.drawn.lines.front().points.front();
  switch (data.panel.pick) {
    case Pick::one_epoch:
      which = "each pair seen once";
      break;
    case Pick::same_samples:
      which = short_count(some->samples) + " samples for all";
      break;
    case Pick::equal_epochs:
      which = fmt::format("{:.3g} epochs for all", some->epochs());
      break;
    default:
      break;
  }
  for (const std::string& word : {data.drawn.which, data.measure.sets.empty() ? "" : "mean of " + data.measure.sets}) {
    if (!word.empty()) which += (which.empty() ? "" : "; ") + word;
  }
  std::string note = capital(which);
  if (const int runs = most_runs(data.drawn.lines); runs > 1) {
    note += fmt::format(". Error bars: half the range over {} seeds", runs);
  }
  return note + ". After figure " + data.number + ".";
}

void take(Series& series, double x, double y, double spread) {
  series.x.push_back(x);
  series.y.push_back(y);
  series.spread.push_back(spread);
}

void tidy(Series& series) {  // no error bars where no seed was repeated
  const auto none = [](double value) { return value == 0; };
  if (std::ranges::all_of(series.spread, none)) series.spread.clear();
  if (std::ranges::all_of(series.x_spread, none)) series.x_spread.clear();
}

}  // namespace clip_hpc
