#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/study/collect.hpp"
#include "study/command_parts.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kCollectHelp = R"(clip_study collect: all results of a study as one table

Writes table.csv (one line a point of the grid, result and metric) and table.json (one entry a cell) into the study's folder.

Examples:
  clip_study collect --study studies/small
)";

}  // namespace

int command_collect(const std::vector<std::string>& arguments) {
  std::string folder, output;
  ArgumentTable options;
  options.add("study", folder, "folder of the study");
  options.add("output", output, "folder for table.csv and table.json; default: the study's");
  if (!read_options(options, arguments, kCollectHelp)) return kExitDone;
  const StudyFolder study = study_at(folder, "collect");
  const StudyTable table = collect_study(study);
  const std::filesystem::path place = output.empty() ? study.path : std::filesystem::path(output);
  std::filesystem::create_directories(place);
  write_file_atomic(place / "table.csv", table.csv);
  write_json_file(place / "table.json", table.json);
  fmt::print("{}: {} lines of {} cells\n", (place / "table.csv").native(), std::ranges::count(table.csv, '\n') - 1,
             table.json.at("cells").size());
  for (const std::string& problem : table.broken) log_warn("{}", problem);
  return table.broken.empty() ? kExitDone : kExitStorage;
}

}  // namespace clip_hpc
