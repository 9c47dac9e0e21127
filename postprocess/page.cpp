#include "page.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/version.hpp"
#include "confusion.hpp"
#include "figure_section.hpp"
#include "html.hpp"
#include "pictures.hpp"
#include "run_figures.hpp"
#include "run_points.hpp"
#include "runs.hpp"
#include "study_figures.hpp"
#include "style.hpp"

namespace fs = std::filesystem;

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

std::string words_of(const Track& track) {
  std::string words = track.metric == "acc1" ? "accuracy" : track.metric;
  std::replace(words.begin(), words.end(), '_', ' ');
  return words + " on " + track.dataset + (track.label.empty() ? "" : ", " + track.label);
}

const Track* headline_track(const std::vector<Track>& tracks) {  // the first classification, else the first
  const Track* first = nullptr;
  for (const Track& track : tracks) {
    if (track.best == nullptr) continue;
    if (track.task == kTaskZeroshot) return &track;
    if (first == nullptr) first = &track;
  }
  return first;
}

std::string baseline_words(const Result& result) {
  return result.baseline_name.empty() ? "baseline" : "baseline (" + result.baseline_name + ")";
}

double width_percent(double share) { return 100 * std::clamp(share, 0.0, 1.0); }

// The newest evaluation speaks for a run; the best of several, chosen on the test set itself, would flatter it.
std::string newest_result(const Track& track) {
  const Result& newest = *track.results.back();
  const double value = track.value(newest);
  std::string text =
      fmt::format("<div class=\"big\">{} <small>{}</small></div>", show_percent(value), escape_html(words_of(track)));
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
      text += row(words_of(track), show_percent(track.value(newest)) +
                                       (chance ? fmt::format(" (chance {})", show_percent(*chance)) : ""));
    }
  }
  text += row("samples per second", show_count(median_of(run.metrics, &MetricsLine::samples_per_s)));
  text += row("training time", show_duration(training_time_s(run.metrics)));
  return text + "</dl></div>\n";
}

std::string table_row(const RunRecord& run) {
  const auto cell = [](const std::string& value) { return "<td>" + escape_html(value) + "</td>"; };
  const std::vector<Track> tracks = tracks_of(run);
  const Track* track = headline_track(tracks);
  const auto& lines = run.metrics;
  std::int64_t rss_bytes = 0;
  for (const MetricsLine& line : lines) rss_bytes = std::max(rss_bytes, line.rss_bytes);
  std::string text = fmt::format("<tr><td title=\"{0}\">{0}</td>", escape_html(run.name));
  text += cell(track == nullptr ? "–" : show_percent(track->value(*track->results.back())));
  text += cell(lines.empty() ? "–" : fmt::format("{}", lines.back().step));
  text += cell(lines.empty() ? "–" : show_count(static_cast<double>(lines.back().samples_seen)));
  text += cell(show_number(last_of(lines, &MetricsLine::loss)));
  text += cell(show_count(median_of(lines, &MetricsLine::samples_per_s)));
  text += cell(show_percent(median_of(lines, &MetricsLine::data_wait_share)));
  text += cell(show_percent(median_of(lines, &MetricsLine::comm_wait_share)));
  text += cell(show_percent(median_of(lines, &MetricsLine::compute_share)));
  text += cell(show_number(median_of(lines, &MetricsLine::tflops)));
  text += cell(show_percent(median_of(lines, &MetricsLine::utilisation)));
  text += cell(show_bytes(rss_bytes));
  text += cell(run.starts.empty() ? "–" : fmt::format("{}", run.starts.back().world_size));
  text += cell(run.starts.empty() ? "–" : fmt::format("{}", run.starts.size()));
  text += cell(show_duration(training_time_s(lines)));
  text += cell(lines.empty() ? "–" : fmt::format("{}", lines.back().skipped_steps));
  return text + cell(fmt::format("{}", run.checkpoint_steps.size())) + "</tr>\n";
}

std::string run_table(const std::vector<RunRecord>& runs) {
  std::string text = "<div class=\"scroll\"><table><thead><tr>";
  for (const char* name : {"run", "newest result", "steps", "samples seen", "last loss", "samples/s", "data wait",
                           "comm wait", "computing", "TFLOP/s a rank", "of GEMM peak", "memory a rank", "ranks",
                           "starts", "training time", "skipped steps", "checkpoints"}) {
    text += fmt::format("<th>{}</th>", name);
  }
  text += "</tr></thead><tbody>\n";
  for (const RunRecord& run : runs) text += table_row(run);
  return text + "</tbody></table></div>\n<p class=\"note\">Rates and waits are medians over the logged steps.</p>\n";
}

std::string provenance_of(const RunRecord& run) {
  std::string text = fmt::format("<details><summary>{}</summary>\n<dl class=\"left\">", escape_html(run.name));
  text += row("folder", run.folder.path.string());
  for (std::size_t i = 0; i < run.starts.size(); ++i) {
    const Provenance& start = run.starts[i];
    text += row(i == 0 ? "started" : "started again", start.start_time);
    text += row("version", fmt::format("clip_hpc {}, commit {}", start.program_version, start.git_commit));
    for (const auto& [name, version] : start.versions) text += row(name, version);
    text += row("ranks", fmt::format("{} on {}", start.world_size, fmt::join(start.hosts, ", ")));
    text += row("command", fmt::format("{}", fmt::join(start.command_line, " ")));
    text += row("configuration hash", start.config_hash);
  }
  text += "</dl>\n";
  if (!run.config.empty()) text += fmt::format("<pre>{}</pre>", escape_html(run.config));
  return text + "</details>\n";
}

std::string gap_list(const std::vector<RunRecord>& runs, const std::vector<std::string>& problems) {
  std::string text;
  for (const RunRecord& run : runs) {
    for (const std::string& gap : run.missing) {
      text += fmt::format("<li><b>{}</b>: {}</li>\n", escape_html(run.name), escape_html(gap));
    }
  }
  for (const std::string& problem : problems) text += fmt::format("<li class=\"none\">{}</li>\n", escape_html(problem));
  return text.empty() ? "<p>Nothing: every run has its curve, evaluations, provenance and checkpoints.</p>\n"
                      : "<ul class=\"gaps\">\n" + text + "</ul>\n";
}

// What the terminal shows: one line an evaluation set, one for the speed.
std::vector<std::string> summary_of(const std::vector<RunRecord>& runs) {
  std::vector<std::string> lines;
  for (const RunRecord& run : runs) {
    lines.push_back(run.name);
    for (const Track& track : tracks_of(run)) {
      if (track.best == nullptr) continue;
      const Result& newest = *track.results.back();
      std::string line = fmt::format("  {:<58} {:>7}", words_of(track), show_percent(track.value(newest)));
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

struct Place {
  fs::path page;
  fs::path data;
};

Place place_of(const fs::path& output) {
  const bool is_page = output.extension() == ".html" || output.extension() == ".htm";
  const fs::path page = is_page ? output : output / "report.html";
  const Place place{page, page.parent_path() / (page.stem().string() + "_data")};
  std::error_code problem;
  fs::create_directories(place.data, problem);
  if (problem) throw storage_error("cannot create the folder {}: {}", place.data.native(), problem.message());
  return place;
}

}  // namespace

Report write_report(const ReportOptions& options) {
  const fs::path gnuplot = find_gnuplot();
  check_formats(gnuplot, options.formats);
  std::vector<RunRecord> runs;
  if (!options.runs.empty()) runs = load_runs(options.runs);
  const Place place = place_of(options.output);
  Report report{place.page, runs.size(), 0, {}, summary_of(runs)};
  for (const RunRecord& run : runs) {
    report.broken.insert(report.broken.end(), run.broken.begin(), run.broken.end());
  }

  const std::vector<StudyMeasure> study = options.study.empty() ? measures_of_runs(runs) : options.study;
  const Roles roles = roles_of(study);
  const PaperFigures paper = paper_figures(roles, options.catalogue);
  std::vector<Figure> figures = paper.figures;
  if (figures.empty()) figures = figures_of_study(study);
  for (Figure& figure : figures_of(runs, options.log_x)) figures.push_back(std::move(figure));
  std::string drawn;
  for (const std::string& element : figure_elements(figures, gnuplot, place.data, options.formats, report.broken)) {
    if (!element.empty()) ++report.figures;
    drawn += element;
  }
  std::vector<std::string> picture_problems;
  const std::string sheets = picture_sheets(runs, picture_problems);

  const std::string confusions = confusion_sections(runs, picture_problems);

  const std::string title = escape_html(options.title);
  // The policy keeps the promise: the browser itself refuses anything that is not in this file.
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
      "data:\">\n<title>{0}</title>\n<style>{1}</style></head>\n<body><main>\n<h1>{0}</h1>\n<p class=\"sub\">{2} "
      "run{3}, written {4}</p>\n",
      title, page_style(), runs.size(), runs.size() == 1 ? "" : "s", utc_now());
  if (!options.advice.empty())
    text += "<h2>What to train</h2>\n<pre class=\"advice\">" + escape_html(options.advice) + "</pre>\n";
  if (!runs.empty()) {
    text += "<h2>Result of each run</h2>\n<div class=\"cards\">\n";
    for (const RunRecord& run : runs) text += headline_card(run);
    text += "</div>\n<h2>Runs</h2>\n" + run_table(runs);
  }
  text += "<h2>Figures</h2>\n";
  text +=
      drawn.empty() ? "<p class=\"none\">nothing to draw yet</p>\n" : "<div class=\"figures\">\n" + drawn + "</div>\n";
  if (!paper.figures.empty()) {
    text += not_drawn_section(paper.not_drawn);
    text += "<h2>Tables</h2>\n" + table_section(tables_of(roles, options.catalogue.scale), place.data);
  }
  if (!confusions.empty()) text += "<h2>What is mistaken for what</h2>\n" + confusions;
  if (!runs.empty()) {
    text += "<h2>Unseen test pictures</h2>\n";
    text += sheets.empty() ? "<p class=\"none\">no test pictures with predictions yet</p>\n" : sheets;
    text += "<h2>Provenance and configuration</h2>\n";
    for (const RunRecord& run : runs) text += provenance_of(run);
    std::vector<std::string> problems = report.broken;
    problems.insert(problems.end(), picture_problems.begin(), picture_problems.end());
    text += "<h2>What is missing</h2>\n" + gap_list(runs, problems);
  }
  text += fmt::format("<footer>clip_report {}, commit {}</footer>\n</main></body></html>\n", program_version(),
                      git_commit());
  write_file_atomic(place.page, text);
  return report;
}

}  // namespace clip_hpc
