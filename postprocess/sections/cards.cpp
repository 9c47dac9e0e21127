#include "postprocess/sections/cards.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "postprocess/read/headline.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

std::string row(const std::string& name, const std::string& value) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(name), escape_html(value));
}

// A row whose name carries the colour of its mark in the bar.
std::string marked_row(const char* mark, const std::string& name, const std::optional<double>& share) {
  return fmt::format("<dt><s class=\"{}\"></s>{}</dt><dd>{}</dd>", mark, escape_html(name),
                     share ? show_percent(*share) : "not recorded");
}

double width_percent(double share) { return 100 * std::clamp(share, 0.0, 1.0); }

// The newest evaluation speaks for a run; the best of several, chosen on the test set itself, would flatter it.
std::string newest_result(const Track& track) {
  const Result& newest = *track.results.back();
  const double value = track.value(newest);
  std::string text = fmt::format("<div class=\"big\">{} <small>{}</small></div>", show_percent(value),
                                 escape_html(words_of(measure_of(track))));
  text += fmt::format("<div class=\"bar\"><i style=\"width:{:.2f}%\"></i>", width_percent(value));
  if (newest.chance) {
    text +=
        fmt::format("<u class=\"chance\" title=\"chance\" style=\"left:{:.2f}%\"></u>", width_percent(*newest.chance));
  }
  if (newest.baseline) {
    text += fmt::format("<u class=\"baseline\" title=\"{}\" style=\"left:{:.2f}%\"></u>",
                        escape_html(baseline_words(newest)), width_percent(*newest.baseline));
  }
  text += "</div><dl>";
  text += marked_row("chance", "chance", newest.chance);
  text += marked_row("baseline", baseline_words(newest), newest.baseline);
  if (newest.n > 0) {
    const double error = std::sqrt(value * (1 - value) / static_cast<double>(newest.n));
    text += row("test samples", fmt::format("{} (± {})", newest.n, show_percent(error)));
  }
  if (newest.classes > 0) text += row("classes", fmt::format("{}", newest.classes));
  text += row("step", fmt::format("{}", newest.step));
  text += row("samples seen", show_count(static_cast<double>(newest.samples_seen)));
  if (track.results.size() > 1) {
    text += row("best of " + std::to_string(track.results.size()) + " evaluations",
                fmt::format("{}, step {}", show_percent(track.value(*track.best)), track.best->step));
  }
  return text;
}

}  // namespace

std::string headline_card(const RunRecord& run) {
  const std::vector<Track> tracks = tracks_of(run);
  const Track* main_track = headline_track(tracks);
  std::string text = fmt::format("<div class=\"card\"><h3>{}</h3>\n", escape_html(run.name));
  if (main_track == nullptr) {
    text += "<p class=\"none\">no evaluation yet</p><dl>";
  } else {
    text += newest_result(*main_track);
  }
  for (const Track& track : tracks) {
    if (&track != main_track && track.best != nullptr) {
      const Result& newest = *track.results.back();
      const std::optional<double>& chance = newest.chance;
      text += row(words_of(measure_of(track)), show_percent(track.value(newest)) +
                                                   (chance ? fmt::format(" (chance {})", show_percent(*chance)) : ""));
    }
  }
  text += row("samples per second", show_count(median_of(run.metrics, &MetricsLine::samples_per_s)));
  text += row("training time", show_duration(training_time_s(run.metrics)));
  return text + "</dl></div>\n";
}

}  // namespace clip_hpc
