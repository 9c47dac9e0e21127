#include "postprocess/report_command.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cmath>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/study/grid.hpp"
#include "postprocess/fit/recommend.hpp"
#include "postprocess/html/page.hpp"
#include "postprocess/read/roles.hpp"
#include "postprocess/sections/scaling_page.hpp"

namespace po = boost::program_options;

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

struct BudgetWords {
  std::string study, curves, measure, data;
  Budget budget;
  std::vector<std::string> figures;
  bool asks() const {
    return budget.gpu_hours != 0 || budget.gmacs != 0 || budget.tflops != 0 || !(data + measure).empty();
  }
  bool given() const { return asks() || !(study + curves).empty(); }
};

std::vector<StudyMeasure> measured(const BudgetWords& words, const StudyView& study) {
  return words.study.empty() ? read_curves(words.curves, words.figures) : measures_of(study.table);
}

// The recommendation, as text.
// The main set of the figures; else a zero-shot classification, if as many runs were measured by it as by any other.
std::string main_measure(const std::vector<StudyMeasure>& measures) {
  if (measures.empty()) return "";
  const Roles roles = roles_of(measures);
  const auto role = roles.measures.find(Role::zeroshot);
  const std::string main = role == roles.measures.end() ? "" : role->second.name;
  const std::string* any = nullptr;
  for (const StudyMeasure& one : measures) {
    if (one.points.size() < measures.front().points.size()) break;
    if (!one.name.ends_with("zeroshot_classification acc1")) continue;
    if (one.name.starts_with(main + " ")) return one.name;
    if (main == "ImageNet" && one.name.find("imagenet") != std::string::npos &&
        (any == nullptr || any->find("imagenet") == std::string::npos || one.name.size() < any->size())) {
      any = &one.name;
    }
    if (any == nullptr) any = &one.name;
  }
  return any == nullptr ? measures.front().name : *any;
}

// The recommendation, as text.
std::string advice(const BudgetWords& words, const std::vector<StudyMeasure>& measures) {
  const std::string wanted = words.measure.empty() ? main_measure(measures) : words.measure;
  const auto measure = std::ranges::find(measures, wanted, &StudyMeasure::name);
  if (measure == measures.end()) {
    std::string names;
    for (const StudyMeasure& one : measures) names += (names.empty() ? "" : "; ") + one.name;
    throw input_error("nothing is measured under {}: {}",
                      words.measure.empty() ? "these names" : "\"" + words.measure + "\"",
                      names.empty() ? "the study has no results yet" : "there is " + names);
  }
  Budget budget = words.budget;
  for (const auto& [name, value] :
       {std::pair{"--gpu-hours", budget.gpu_hours}, {"--gmacs", budget.gmacs}, {"--tflops", budget.tflops}}) {
    if (!(value >= 0) || !std::isfinite(value)) throw input_error("{} must be above 0, got {}", name, value);
  }
  if (!words.data.empty()) {
    const std::int64_t pairs = parse_count(words.data);
    if (pairs <= 0) throw input_error("--data takes a number of pairs, 250k, 400M or 3.4B, got \"{}\"", words.data);
    budget.data = static_cast<double>(pairs);
  }
  const std::vector<SeriesFit> series = fit_series(*measure);
  Recommendation found = recommend(series, budget);
  found.pays = what_pays(*measure);
  return as_text(*measure, series, budget, found);
}

int report_scaling(const ScalingPageOptions& options, std::ostream& out, std::ostream& err) {
  for (const int ranks : options.predict_ranks) {
    if (ranks < 1) throw input_error("--predict-ranks takes numbers from 1 on, got {}", ranks);
  }
  const ScalingPage page = write_scaling_page(options);
  for (const std::string& text : page.broken) err << "clip_report: warning: " << text << "\n";
  for (const std::string& line : page.summary) out << line << "\n";
  if (!page.page.empty()) {
    out << fmt::format("{}: {} figure{}\n", page.page.native(), page.figures, page.figures == 1 ? "" : "s");
  }
  return page.broken.empty() ? kExitDone : kExitStorage;
}

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  std::vector<std::string> runs;
  std::string output;
  ReportOptions options;
  BudgetWords budget;
  po::options_description description("options");
  auto add = description.add_options();
  add("runs", po::value(&runs)->multitoken(), "run folders, or folders that hold run folders");
  add("output", po::value(&output), "the page FILE.html, or a folder that gets index.html");
  add("title", po::value(&options.title)->default_value(options.title), "title of the page");
  add("log-x", po::bool_switch(&options.log_x), "logarithmic axis for samples seen");
  add("study", po::value(&budget.study), "folder of a study, or its table.json (clip_study collect)");
  add("curves", po::value(&budget.curves),
      "folder of curves as CSV, such as postprocess/paper: those of Scaling (Down) CLIP");
  add("figures", po::value(&budget.figures)->multitoken(), "of --curves: these figures alone, 8b 9a");
  add("measure", po::value(&budget.measure), "what to go by; default: what most runs were measured by");
  add("gpu-hours", po::value(&budget.budget.gpu_hours), "budget: GPU hours, at the speed of the study's runs");
  add("gmacs", po::value(&budget.budget.gmacs),
      "budget: forward multiply-adds of both towers, in 1e9 (the paper's total compute)");
  add("tflops", po::value(&budget.budget.tflops), "of a GPU in training, where the runs do not say how fast they were");
  add("data", po::value(&budget.data), "distinct pairs that are at hand: 400M");
  std::vector<std::string> formats;
  std::string overlay, robustness = "logit";
  add("formats", po::value(&formats)->multitoken(), "figures beside the page, too: svg png pdf");
  add("overlay", po::value(&overlay), "curves to lay over those of the study: postprocess/paper, the paper's own");
  add("robustness", po::value(&robustness)->default_value(robustness),
      "axes on which a line is fitted through accuracies on two sets: logit or linear");
  std::string scaling;
  std::vector<int> predict_ranks;
  add("scaling", po::value(&scaling), "folder of clip_study scaling: efficiency, slow ranks, a model of the step");
  add("predict-ranks", po::value(&predict_ranks)->multitoken(), "of --scaling: world sizes to tell the step of");
  bool asks_version = false;
  add("version", po::bool_switch(&asks_version), "version of the program");
  if (!parse_words(arguments, description)) {
    out << help_text(kIntroduction, description) << kExamples;
    return kExitDone;
  }
  if (asks_version) {
    out << fmt::format("clip_report {} (commit {})\n", program_version(), git_commit());
    return kExitDone;
  }
  if (!scaling.empty() && (!formats.empty() || options.log_x || !runs.empty() || budget.given())) {
    throw input_error("--scaling makes a page of its own: it goes with --output and --predict-ranks alone");
  }
  if (!scaling.empty()) return report_scaling({scaling, output, predict_ranks}, out, err);
  if (!predict_ranks.empty()) throw input_error("--predict-ranks goes with --scaling DIR");
  if (budget.given()) {
    if (budget.study.empty() == budget.curves.empty()) {
      throw input_error(
          "a study is read from --study (the folder of clip_study, or its table.json) or --curves DIR, one of "
          "them");
    }
    if (!budget.study.empty()) options.study_view = read_study_view(budget.study);
    options.study = measured(budget, options.study_view);
    if (options.study.empty() && !output.empty()) {
      if (budget.asks()) options.advice = "Nothing can be said yet: the study has no results.\n";
    } else if (budget.asks() || output.empty()) {
      out << (options.advice = advice(budget, options.study));
    }
    if (output.empty()) return kExitDone;
  }
  if (runs.empty() && options.study.empty() && options.study_view.empty())
    throw input_error("--runs is missing: name a run folder; clip_report --help shows examples");
  if (output.empty()) throw input_error("--output is missing: name a file that ends in .html, or a folder");
  options.runs.assign(runs.begin(), runs.end());
  options.output = output;
  for (const std::string& word : formats) options.formats.push_back(format_of(word));
  options.catalogue.scale = scale_of(robustness);
  if (!overlay.empty()) options.catalogue.overlay = read_panels(overlay);
  const Report report = write_report(options);
  for (const std::string& text : report.broken) err << "clip_report: warning: " << text << "\n";
  for (const std::string& line : report.summary) out << line << "\n";
  out << fmt::format("{}: {} run{}, {} figure{}\n", report.page.native(), report.runs, report.runs == 1 ? "" : "s",
                     report.figures, report.figures == 1 ? "" : "s");
  return report.broken.empty() ? kExitDone : kExitStorage;
}

}  // namespace

int report_command(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  try {
    return run(arguments, out, err);
  } catch (const Error& problem) {
    err << "clip_report: " << name_of(problem.kind()) << ": " << problem.what() << "\n";
    return exit_code(problem.kind());
  } catch (const std::exception& problem) {
    err << "clip_report: " << problem.what() << "\n";
    return 1;
  }
}

}  // namespace clip_hpc
