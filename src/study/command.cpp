#include "clip_hpc/study/command.hpp"

#include <algorithm>
#include <boost/program_options.hpp>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/study/plan.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kHelp = R"(clip_study: a grid of training runs, planned, run and watched

  clip_study plan      the cells of a grid, their cost and storage
  clip_study --version

Each has --help. Start it in the project folder: the paths of a grid are relative to it.

Examples:
  clip_study plan --grid configs/study/small.cfg

Exit codes: 0 done, 2 bad input, 3 storage.
)";

constexpr const char* kPlanHelp = R"(clip_study plan: the cells of a grid, their cost and storage; nothing is written

Cost is counted as forward multiply-adds of both towers times samples seen; with backward it is 6 FLOP a multiply-add.
GPU hours are that, divided by the rate that clip_hpc bench step measured.

Examples:
  clip_study plan --grid configs/study/paper.cfg
  clip_study plan --grid configs/study/small.cfg --rate bench/results/step_cpu.jsonl
)";

// Reads the words after a command. False: --help was asked for, and printed.
bool read_words(const std::vector<std::string>& arguments, po::options_description options, const char* help) {
  options.add_options()("help,h", "this text");
  po::variables_map map;
  try {
    po::store(po::command_line_parser(arguments)
                  .options(options)
                  .positional({})
                  .style(po::command_line_style::default_style & ~po::command_line_style::allow_guessing)
                  .run(),
              map);
    po::notify(map);
  } catch (const po::error& problem) {
    throw input_error("{}; --help lists the options", problem.what());
  }
  if (!map.contains("help")) return true;
  std::ostringstream text;
  text << options;
  fmt::print("{}\n{}", help, text.str());
  return false;
}

RateTable rates_for(const Grid& grid, const std::string& file) {
  if (!file.empty()) return read_rates(file);
  return grid.rate_file.empty() ? RateTable{} : read_rates(grid.rate_file);
}

// Asks the clip_hpc beside this program, else the one on PATH. One that does not start here (a login node) is taken to
// be able to do everything: the job that prepares subsets would say otherwise.
Abilities abilities_of_clip_hpc() {
  std::error_code none;
  const std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe", none).parent_path();
  const std::string program = std::filesystem::exists(here / "clip_hpc") ? (here / "clip_hpc").native() : "clip_hpc";
  const std::string ask = fmt::format("'{}' filter --help 2>/dev/null", program);
  if (std::system((ask + " >/dev/null").c_str()) != 0) return {};
  return {.filters_by_score = std::system((ask + " | grep -q -e --keep").c_str()) == 0};
}

Plan plan_of(const std::string& grid_file, const std::string& rate_file) {
  const Grid grid = read_grid(grid_file);
  const auto asks_for_scores = [](const Axis& axis) {
    return std::ranges::any_of(axis.values,
                               [](const auto& value) { return value.settings.contains("study.fraction"); });
  };
  return make_plan(grid, rates_for(grid, rate_file),
                   std::ranges::any_of(grid.axes, asks_for_scores) ? abilities_of_clip_hpc() : Abilities{});
}

int command_plan(const std::vector<std::string>& arguments) {
  std::string grid_file, rate_file;
  po::options_description options("Options");
  options.add_options()("grid", po::value(&grid_file), "grid file, for example configs/study/small.cfg")(
      "rate", po::value(&rate_file), "lines of clip_hpc bench step --json FILE");
  if (!read_words(arguments, options, kPlanHelp)) return kExitDone;
  if (grid_file.empty()) throw input_error("clip_study plan needs --grid, for example configs/study/small.cfg");
  fmt::print("{}", plan_table(plan_of(grid_file, rate_file)));
  return kExitDone;
}

int dispatch(const std::vector<std::string>& arguments) {
  const std::string word = arguments.empty() ? "--help" : arguments.front();
  if (word == "--help" || word == "-h") {
    std::fputs(kHelp, stdout);
    return kExitDone;
  }
  if (word == "--version") {
    fmt::print("clip_study {} (commit {})\n", program_version(), git_commit());
    return kExitDone;
  }
  const std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (word == "plan") return command_plan(rest);
  throw input_error("unknown command \"{}\"; did you mean \"{}\"? clip_study --help lists them", word,
                    nearest_word(word, {"plan"}));
}

}  // namespace

int study_command(const std::vector<std::string>& arguments) {
  try {
    return dispatch(arguments);
  } catch (const Error& problem) {
    fmt::print(stderr, "clip_study: {}: {}\n", name_of(problem.kind()), problem.what());
    return exit_code(problem.kind());
  } catch (const std::exception& problem) {
    fmt::print(stderr, "clip_study: {}\n", problem.what());
    return 1;
  }
}

}  // namespace clip_hpc
