#include "clip_hpc/study/energy.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "clip_hpc/base/process.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kJobsAtOnce = 500;          // of one command line
constexpr double kNotMeasured_j = 18446744073e9;  // Slurm's NO_VAL64, and what is near it

bool is_job_id(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789_") == std::string::npos;
}

}  // namespace

std::vector<std::string> training_jobs(const StudyFolder& study, const std::string& cell) {
  std::vector<std::string> jobs;
  std::ifstream history(study.cell(cell) / "history.log");
  for (std::string line; std::getline(history, line);) {
    const std::string mark = " train start job ";
    const auto at = line.find(mark);
    if (at == std::string::npos) continue;
    std::string job;
    std::istringstream(line.substr(at + mark.size())) >> job;
    if (is_job_id(job) && std::ranges::find(jobs, job) == jobs.end()) jobs.push_back(job);  // "local" has none
  }
  return jobs;
}

std::map<std::string, double> parse_energy(std::string_view lines) {
  std::map<std::string, double> whole, of_step;
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
    const auto bar = line.find('|');
    if (bar == std::string_view::npos) continue;
    const std::string_view id = line.substr(0, bar), number = line.substr(bar + 1);
    double joules = 0;
    const auto [end, problem] = std::from_chars(number.data(), number.data() + number.size(), joules);
    if (problem != std::errc{} || !(joules > 0) || joules >= kNotMeasured_j) continue;
    const auto dot = id.find('.');
    if (dot == std::string_view::npos) {
      whole[std::string(id)] += joules;
    } else {
      of_step[std::string(id)] += joules;  // a restart has the same name again
    }
  }
  std::map<std::string, double> of_job;  // its longest step: the others run inside it
  for (const auto& [id, joules] : of_step) {
    double& most = of_job[id.substr(0, id.find('.'))];
    most = std::max(most, joules);
  }
  whole.merge(of_job);  // keeps what is there
  return whole;
}

std::map<std::string, double> energy_of_jobs(const std::vector<std::string>& jobs) {
  std::map<std::string, double> all;
  for (std::size_t first = 0; first < jobs.size(); first += kJobsAtOnce) {
    const std::vector<std::string> some(
        jobs.begin() + static_cast<std::ptrdiff_t>(first),
        jobs.begin() + static_cast<std::ptrdiff_t>(std::min(first + kJobsAtOnce, jobs.size())));
    const std::string command =
        fmt::format("command -v sacct >/dev/null 2>&1 && sacct -n -P -D -o JobID,ConsumedEnergyRaw -j {} 2>/dev/null",
                    fmt::join(some, ","));
    all.merge(parse_energy(shell_output(command)));
  }
  return all;
}

}  // namespace clip_hpc
