#include "command.hpp"

#include <boost/program_options.hpp>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/version.hpp"
#include "page.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kIntroduction =
    "clip_report: draws a report from run folders of clip_hpc.\n"
    "usage: clip_report --runs DIR --output FILE.html|DIR [--title TEXT] [--log-x]\n\n";
constexpr const char* kExamples =
    "\nexamples:\n"
    "  clip_report --runs runs/vit_s --output vit_s.html\n"
    "  clip_report --runs runs --output report --title \"ViT-S, four strategies\"\n"
    "  clip_report --runs runs/flip runs/clip --log-x --output flip_and_clip.html\n\n"
    "The page is one file and needs no network. The data of its figures lie beside it as CSV, in <name>_data/.\n"
    "Figures are drawn by gnuplot (package gnuplot-nox), which must be on PATH.\n"
    "exit codes: 0 done, 2 bad input or no gnuplot, 3 a file cannot be written, or a file of a run cannot be read\n"
    "(the report is then written without it and says so).\n";

int run(const std::vector<std::string>& arguments, std::ostream& out, std::ostream& err) {
  std::vector<std::string> runs;
  std::string output;
  ReportOptions options;
  po::options_description description("options");
  auto add = description.add_options();
  add("runs", po::value(&runs)->multitoken(), "run folders, or folders that hold run folders");
  add("output", po::value(&output), "the page FILE.html, or a folder that gets report.html");
  add("title", po::value(&options.title)->default_value(options.title), "title of the page");
  add("log-x", po::bool_switch(&options.log_x), "logarithmic axis for samples seen");
  add("help", "this text");
  add("version", "version of the program");
  po::variables_map map;
  try {
    po::store(po::command_line_parser(arguments)
                  .options(description)
                  .positional({})
                  .style(po::command_line_style::default_style & ~po::command_line_style::allow_guessing)
                  .run(),
              map);
    po::notify(map);
  } catch (const po::error& problem) {
    throw input_error("{}; clip_report --help shows examples", problem.what());
  }
  if (map.contains("help")) {
    out << kIntroduction << description << kExamples;
    return kExitDone;
  }
  if (map.contains("version")) {
    out << fmt::format("clip_report {} (commit {})\n", program_version(), git_commit());
    return kExitDone;
  }
  if (runs.empty()) throw input_error("--runs is missing: name a run folder; clip_report --help shows examples");
  if (output.empty()) throw input_error("--output is missing: name a file that ends in .html, or a folder");
  options.runs.assign(runs.begin(), runs.end());
  options.output = output;
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
