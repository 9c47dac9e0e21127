#include "postprocess/report_command.hpp"

#include "clip_hpc/base/failure.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/config/rows.hpp"
#include "postprocess/fit/laws/law.hpp"
#include "postprocess/sections/advice.hpp"
#include "postprocess/sections/page.hpp"
#include "postprocess/sections/scaling_page.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kIntroduction =
    "clip_report: draws a report from run folders of clip_hpc, and says what to train with a given budget.\n"
    "usage: clip_report --runs DIR --output FILE.html|DIR [--title TEXT] [--log-x]\n"
    "       clip_report --scaling DIR [--predict-ranks N...] [--output FILE.html]\n"
    "       clip_report --study DIR|TABLE.json|--curves DIR [--gpu-hours HOURS|--gmacs N --data PAIRS] [--output "
    "FILE.html]\n";
constexpr const char* kExamples =
    "\nexamples:\n"
    "  clip_report --runs runs/vit_s --output vit_s.html\n"
    "  clip_report --runs runs --output report --title \"ViT-S, four strategies\"\n"
    "  clip_report --runs runs/flip runs/clip --log-x --output flip_and_clip.html\n"
    "  clip_report --curves postprocess/paper --gmacs 5e10 --data 3.4B\n"
    "  clip_report --curves postprocess/paper --figures 8b 9a --gpu-hours 5000 --tflops 200 --data 400M\n"
    "  clip_report --study studies/small --output studies/small/report\n"
    "  clip_report --study studies/small --overlay postprocess/paper --formats png pdf --output studies/small/report\n"
    "  clip_report --study studies/small/table.json --gpu-hours 100 --data 400M\n"
    "  clip_report --scaling scaling/b16 --predict-ranks 256 1024 --output b16_scaling.html\n\n"
    "The page is one file and needs no network. The data of its figures and its tables lie beside it, in "
    "<name>_data/.\n"
    "Figures are drawn by gnuplot (package gnuplot-nox), which must be on PATH.\n"
    "exit codes: 0 done, 2 bad input or no gnuplot, 3 a file cannot be written, or a file of a run cannot be read\n"
    "(the report is then written without it and says so).\n";

constexpr std::int64_t kMostRanks = 10'000'000;

struct ReportWords {
  std::vector<std::string> runs, figures, formats;
  std::vector<std::int64_t> predict_ranks;
  std::string output, study, curves, overlay, scaling, robustness = "logit";
  bool asks_version = false;
  AdviceOptions advice;
  ReportOptions page;
  bool has_points() const { return !(study + curves).empty(); }
};

void add_options(ArgumentTable& options, ReportWords& words) {
  options.add("runs", words.runs, "run folders, or folders that hold run folders");
  options.add("output", words.output, "the page FILE.html, or a folder that gets index.html");
  options.add("title", words.page.title, "title of the page");
  options.add("log-x", words.page.log_x, "logarithmic axis for samples seen");
  options.add("study", words.study, "folder of a study, or its table.json (clip_study collect)");
  options.add("curves", words.curves,
              "folder of curves as CSV, such as postprocess/paper: those of Scaling (Down) CLIP");
  options.add("figures", words.figures, "of --curves: these figures alone, 8b 9a");
  options.add("measure", words.advice.measure, "what to go by; default: what most runs were measured by");
  options.add("law", words.advice.law,
              "law to predict by: " + help_of(law_kinds()) + "; default: the one that predicts held-out runs best");
  options.add("gpu-hours", words.advice.budget.gpu_hours, "budget: GPU hours, at the speed of the study's runs");
  options.add("gmacs", words.advice.budget.gmacs,
              "budget: forward multiply-adds of both towers, in 1e9 (the paper's total compute)");
  options.add("tflops", words.advice.budget.tflops,
              "of a GPU in training, where the runs do not say how fast they were");
  options.add("data", words.advice.data, "distinct pairs that are at hand: 400M");
  options.add("formats", words.formats, "figures beside the page, too: svg png pdf");
  options.add("overlay", words.overlay, "curves to lay over those of the study: postprocess/paper, the paper's own");
  options.add("robustness", words.robustness,
              "axes on which a line is fitted through accuracies on two sets: logit or linear");
  options.add("scaling", words.scaling, "folder of clip_study scaling: efficiency, slow ranks, a model of the step");
  options.add("predict-ranks", words.predict_ranks, "of --scaling: world sizes to tell the step of");
  options.add("version", words.asks_version, "version of the program");
}

int report_scaling(const ReportWords& words, std::ostream& out, std::ostream& err) {
  if (!words.formats.empty() || words.page.log_x || !words.runs.empty() || words.has_points() || words.advice.asks()) {
    throw input_error("--scaling makes a page of its own: it goes with --output and --predict-ranks alone");
  }
  ScalingPageOptions options{words.scaling, words.output, {}};
  for (const std::int64_t ranks : words.predict_ranks) {
    if (ranks < 1 || ranks > kMostRanks) throw input_error("--predict-ranks takes numbers from 1 on, got {}", ranks);
    options.predict_ranks.push_back(static_cast<int>(ranks));
  }
  const ScalingPage page = write_scaling_page(options);
  for (const std::string& text : page.broken) err << "clip_report: warning: " << text << "\n";
  for (const std::string& line : page.summary) out << line << "\n";
  if (!page.page.empty()) {
    out << fmt::format("{}: {} figure{}\n", page.page.native(), page.figures, page.figures == 1 ? "" : "s");
  }
  return page.broken.empty() ? kExitDone : kExitStorage;
}

// The points of a study or of curves, and what they advise. False: the text is all that was wanted.
bool read_points(ReportWords& words, std::ostream& out) {
  if (words.study.empty() == words.curves.empty()) {
    throw input_error(
        "a study is read from --study (the folder of clip_study, or its table.json) or --curves DIR, one of "
        "them");
  }
  ReportOptions& page = words.page;
  if (!words.study.empty()) page.study_view = read_study_view(words.study);
  page.study = words.study.empty() ? read_curves(words.curves, words.figures) : measures_of(page.study_view.table);
  if (page.study.empty() && !words.output.empty()) {
    if (words.advice.asks()) page.advice = "Nothing can be said yet: the study has no results.\n";
  } else if (words.advice.asks() || words.output.empty()) {
    out << (page.advice = advice_text(words.advice, page.study));
  }
  return !words.output.empty();
}

int report_runs(ReportWords& words, std::ostream& out, std::ostream& err) {
  ReportOptions& page = words.page;
  if (words.runs.empty() && page.study.empty() && page.study_view.empty()) {
    throw input_error("--runs is missing: name a run folder; clip_report --help shows examples");
  }
  if (words.output.empty()) throw input_error("--output is missing: name a file that ends in .html, or a folder");
  page.runs.assign(words.runs.begin(), words.runs.end());
  page.output = words.output;
  for (const std::string& word : words.formats) page.formats.push_back(format_of(word));
  page.catalogue.scale = scale_of(words.robustness);
  if (!words.overlay.empty()) page.catalogue.overlay = read_panels(words.overlay);
  const Report report = write_report(page);
  for (const std::string& text : report.broken) err << "clip_report: warning: " << text << "\n";
  for (const std::string& line : report.summary) out << line << "\n";
  out << fmt::format("{}: {} run{}, {} figure{}\n", report.page.native(), report.runs, report.runs == 1 ? "" : "s",
                     report.figures, report.figures == 1 ? "" : "s");
  return report.broken.empty() ? kExitDone : kExitStorage;
}

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  ReportWords words;
  ArgumentTable options;
  add_options(options, words);
  if (!options.parse(arguments)) {
    out << options.help(kIntroduction) << kExamples;
    return kExitDone;
  }
  if (words.asks_version) {
    out << fmt::format("clip_report {} (commit {})\n", program_version(), git_commit());
    return kExitDone;
  }
  if (!words.scaling.empty()) return report_scaling(words, out, err);
  if (!words.predict_ranks.empty()) throw input_error("--predict-ranks goes with --scaling DIR");
  if ((words.has_points() || words.advice.asks()) && !read_points(words, out)) return kExitDone;
  return report_runs(words, out, err);
}

}  // namespace

int report_command(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  try {
    return run(arguments, out, err);
  } catch (const std::exception& problem) {
    const Error error = error_of(problem);
    err << "clip_report: " << name_of(error.kind()) << ": " << error.what() << "\n";
    return exit_code(error.kind());
  }
}

}  // namespace clip_hpc
