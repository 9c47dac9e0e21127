// What the commands of clip_study have in common.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/study/folder.hpp"
#include "clip_hpc/study/plan.hpp"
#include "clip_hpc/study/slurm.hpp"

namespace clip_hpc {

// Reads the options of a command. False: --help was asked for, and printed.
bool read_options(ArgumentTable& options, const std::vector<std::string>& arguments, const char* help);

// The plan of a grid, with the rates of `rate_file` or else of the grid, and what the clip_hpc at hand can do. Throws
// input.
Plan plan_of(const std::string& grid_file, const std::string& rate_file);

StudyFolder study_at(const std::string& folder, const char* command);  // of --study; throws input without one

using StatusMap = std::map<std::pair<std::string, int>, StageStatus>;  // by stage and task
StatusMap status_of(const StudyFolder& study, const PlannedStudy& planned);

// A machine may have Slurm's programs and no cluster behind them: then the queue is empty, with a warning.
Queue queue_if_there_is_one(const StudyFolder& study);

std::string host_name();

// The folder that holds jobs/ and configs/: of the variable, here, or of the installed tree. Throws input.
std::filesystem::path find_project();

// A folder's name goes through sbatch --export and a shell. Throws input for one that would not come out of them whole.
void check_for_shell(const std::string& folder);

// Writes `text` as jobs/submit_TIME.sh below the folder and runs it, or only shows it. `command`: what to call again
// when sbatch refuses; throws comm then.
void submit_jobs(const std::filesystem::path& folder, const std::string& text, bool is_dry, const char* command);

// One submit at a time: two would both find the same cells missing. Throws input when there is another.
class SubmitLock {
 public:
  explicit SubmitLock(const StudyFolder& study);

 private:
  FileDescriptor fd_;
};

}  // namespace clip_hpc
