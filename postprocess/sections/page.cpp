#include "postprocess/sections/page.hpp"

#include <algorithm>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/version.hpp"
#include "postprocess/figures/run_figures.hpp"
#include "postprocess/figures/study_figures.hpp"
#include "postprocess/html/page_script.hpp"
#include "postprocess/html/style.hpp"
#include "postprocess/points/run_points.hpp"
#include "postprocess/read/config_diff.hpp"
#include "postprocess/read/entries.hpp"
#include "postprocess/read/number_text.hpp"
#include "postprocess/read/runs.hpp"
#include "postprocess/sections/cards.hpp"
#include "postprocess/sections/config_section.hpp"
#include "postprocess/sections/confusion.hpp"
#include "postprocess/sections/cost_section.hpp"
#include "postprocess/sections/failure_section.hpp"
#include "postprocess/sections/figure_section.hpp"
#include "postprocess/sections/missing_section.hpp"
#include "postprocess/sections/pictures.hpp"
#include "postprocess/sections/provenance_section.hpp"
#include "postprocess/sections/run_table.hpp"
#include "postprocess/sections/summary_section.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::size_t kFewCards = 4;  // of a study's runs, whose results stand in the table; else kFewRuns
constexpr const char* kAllCurves = "training_curves.csv";

struct Place {
  fs::path page;
  fs::path data;
};

Place place_of(const fs::path& output) {
  const bool is_page = output.extension() == ".html" || output.extension() == ".htm";
  const fs::path page = is_page ? output : output / "index.html";
  const Place place{page, page.parent_path() / (page.stem().string() + "_data")};
  std::error_code problem;
  fs::create_directories(place.data, problem);
  if (problem) throw storage_error("cannot create the folder {}: {}", place.data.native(), problem.message());
  return place;
}

struct Section {
  std::string id;
  std::string title;
  std::string html;
};

std::string figure_grid(const std::string& drawn) {
  return drawn.empty() ? "<p class=\"none\">nothing to draw yet</p>\n"
                       : "<div class=\"figures\">\n" + drawn + "</div>\n";
}

std::string cards_of(const std::vector<RunRecord>& runs) {
  std::string text = "<div class=\"cards\">\n";
  for (const RunRecord& run : runs) text += headline_card(run);
  return text + "</div>\n";
}

// Of many runs some are drawn: which, and where the rest is.
std::string choice_note(std::size_t all, const std::vector<RunRecord>& shown, const Place& place) {
  if (shown.size() == all) return "";
  return fmt::format(
      "<p class=\"note\">{} of {} runs: the best of each tower and strategy, then the next best. The table of runs "
      "shows "
      "the loss of each; all curves are in <a href=\"{}\">{}</a>.</p>\n",
      shown.size(), all, escape_html((place.data.filename() / kAllCurves).string()), kAllCurves);
}

// A file that two readers complain about is told once.
void drop_repeated(std::vector<std::string>& problems) {
  std::vector<std::string> kept;
  for (const std::string& problem : problems) {
    const auto says_more = [&](const std::string& other) { return other != problem && other.ends_with(problem); };
    if (std::ranges::any_of(problems, says_more) || std::ranges::find(kept, problem) != kept.end()) continue;
    kept.push_back(problem);
  }
  problems = std::move(kept);
}

std::string page_of(const std::string& title, std::size_t runs, const StudyView& study,
                    const std::vector<Section>& sections) {
  // The policy keeps the promise: the browser itself refuses anything that is not in this file.
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
      "data:; script-src {}; base-uri 'none'; form-action 'none'\">\n<title>{}</title>\n<style>{}</style></head>\n"
      "<body><main>\n<h1>{}</h1>\n<p class=\"sub\">{}{} run{}, written {}</p>\n",
      page_script_hash(), escape_html(title), page_style(), escape_html(title),
      study.empty() ? "" : fmt::format("{} cells, ", study.cells.size()), runs, runs == 1 ? "" : "s", utc_now());
  text += "<nav aria-label=\"sections\">";
  for (const Section& section : sections) text += fmt::format("<a href=\"#{}\">{}</a>", section.id, section.title);
  text += "</nav>\n";
  for (const Section& section : sections) {
    text += fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", section.id, section.title, section.html);
  }
  return text +
         fmt::format("<footer>clip_report {}, commit {}</footer>\n</main>\n<script>{}</script>\n</body></html>\n",
                     program_version(), git_commit(), page_script());
}

}  // namespace

Report write_report(const ReportOptions& options) {
  const fs::path gnuplot = find_gnuplot();
  check_formats(gnuplot, options.formats);
  const StudyView& view = options.study_view;
  std::vector<NamedRun> of_cells;
  for (const StudyCell& cell : view.cells) {
    if (!cell.run.empty()) of_cells.push_back({cell.name, cell.run});
  }
  const std::vector<RunRecord> runs = load_runs(of_cells, options.runs);
  const Place place = place_of(options.output);
  Report report{place.page, runs.size(), 0, view.broken, {}};
  for (const RunRecord& run : runs) {
    report.broken.insert(report.broken.end(), run.broken.begin(), run.broken.end());
  }
  const std::vector<Entry> entries = entries_of(runs, view, report.broken);
  drop_repeated(report.broken);
  const RunsCost cost = cost_of(entries, view);
  report.summary = summary_lines(runs, entries, view, cost);
  const std::vector<RunRecord> shown = drawn_runs(runs, entries);

  std::string drawn, curves;
  const std::vector<StudyMeasure> measures = options.study.empty() ? measures_of_runs(runs) : options.study;
  const Roles roles = roles_of(measures);
  const PaperFigures paper = paper_figures(roles, options.catalogue);
  std::vector<Figure> figures = paper.figures;
  if (figures.empty()) figures = figures_of_study(measures);
  const std::size_t of_study = figures.size();
  for (Figure& figure : figures_of(shown, options.log_x)) figures.push_back(std::move(figure));
  const std::vector<std::string> elements =
      figure_elements(figures, gnuplot, place.data, options.formats, report.broken);
  for (std::size_t i = 0; i < elements.size(); ++i) {
    if (!elements[i].empty()) ++report.figures;
    (i < of_study ? drawn : curves) += elements[i];
  }
  if (shown.size() < runs.size()) write_file_atomic(place.data / kAllCurves, csv_of_curves(runs));

  std::vector<std::string> problems = report.broken;
  const std::string sheets = picture_sheets(shown, problems);
  const std::string confusions = confusion_sections(shown, problems);
  const std::string choice = choice_note(runs.size(), shown, place);

  std::vector<Section> sections;
  const auto add = [&](const char* id, const char* title, std::string html) {
    if (!html.empty()) sections.push_back({id, title, std::move(html)});
  };
  add("summary", "Summary", summary_section(entries, view, cost));
  if (!options.advice.empty()) {
    add("advice", "What to train", "<pre class=\"advice\">" + escape_html(options.advice) + "</pre>\n");
  }
  if (!paper.figures.empty()) {
    add("figures", "Figures", figure_grid(drawn) + not_drawn_section(paper.not_drawn));
    add("tables", "Tables", table_section(tables_of(roles, options.catalogue.scale), place.data));
  } else if (!options.study.empty()) {
    add("figures", "Figures", figure_grid(drawn));
  }
  if (!runs.empty() && runs.size() <= (view.empty() ? kFewRuns : kFewCards))
    add("results", "Result of each run", cards_of(runs));
  if (!entries.empty()) add("table", "Runs", run_table(entries, view));
  if (!runs.empty()) add("curves", "Training curves", choice + figure_grid(curves));
  add("configuration", "Configurations", config_section(diff_configs(entries)));
  if (!entries.empty()) {
    add("failures", "Failures", failure_section(entries, problems));
    add("missing", "What is missing", missing_section(view, runs));
    add("cost", "Cost", cost_section(cost, hours_word(entries)));
  }
  if (!runs.empty()) {
    add("provenance", "Provenance", provenance_section(runs));
    if (view.empty() || !sheets.empty())
      add("pictures", "Unseen test pictures",
          sheets.empty() ? "<p class=\"none\">no test pictures with predictions yet</p>\n" : choice + sheets);
  }
  add("confusion", "What is mistaken for what", confusions);
  write_file_atomic(place.page, page_of(options.title, runs.size(), view, sections));
  return report;
}

}  // namespace clip_hpc
