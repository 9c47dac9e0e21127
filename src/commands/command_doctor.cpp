#include "clip_hpc/bench/doctor.hpp"

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/commands.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kDoctorUsage = R"(clip_hpc doctor: is this allocation fit to run?

Examples:
  clip_hpc doctor
  srun --mpi=pmix clip_hpc doctor --dir $SCRATCH
  mpirun -np 4 clip_hpc doctor --dir runs

Exit codes: 0 ready; else that of the first problem (docs/errors.md).
)";

}  // namespace

int command_doctor(World& world, std::span<const std::string> arguments) {
  DoctorOptions options;
  std::string dir;
  ArgumentTable table;
  table.add("dir", dir, "also write and sync there (the run folder's file system)");
  table.add("mib", options.write_mib, "how much every rank writes", in_range(std::int64_t{1}, std::int64_t{1048576}));
  if (!read_arguments(table, arguments, kDoctorUsage, world.rank() == 0)) return kExitDone;
  options.dir = dir;
  const DoctorReport report = examine(world, options);
  for (const std::string& line : report.lines) log_line(line);
  for (const std::string& line : report.advice) log_info("advice: {}", line);
  for (const DoctorFinding& problem : report.problems) log_info("fix: {}", problem.text);
  if (report.problems.empty()) {
    log_line("verdict: ready");
    return kExitDone;
  }
  log_info("verdict: not ready, {} to fix", report.problems.size());
  return exit_code(report.problems.front().kind);
}

}  // namespace clip_hpc
