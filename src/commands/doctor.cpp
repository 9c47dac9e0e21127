#include "clip_hpc/comm/doctor.hpp"

#include <boost/program_options.hpp>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/commands.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kHelp = R"(clip_hpc doctor: is this allocation fit to run?

  clip_hpc doctor [--dir FOLDER] [--mib N]

  --dir FOLDER   also write and sync N MiB a rank there (the run folder's file system)
  --mib N        default 64

Examples:
  clip_hpc doctor
  srun --mpi=pmix clip_hpc doctor --dir $SCRATCH
  mpirun -np 4 clip_hpc doctor --dir runs

Exit codes: 0 ready; else that of the first problem (docs/errors.md).
)";

DoctorOptions parse(std::span<const std::string> arguments, bool& help) {
  DoctorOptions options;
  std::string dir;
  po::options_description known;
  known.add_options()("help,h", po::bool_switch(&help))("dir", po::value(&dir))("mib", po::value(&options.write_mib));
  try {
    po::variables_map found;
    po::store(po::command_line_parser(std::vector<std::string>(arguments.begin(), arguments.end()))
                  .options(known)
                  .positional({})
                  .run(),
              found);
    po::notify(found);
  } catch (const po::error& problem) {
    throw input_error("clip_hpc doctor: {}; --help lists the options", problem.what());
  }
  if (options.write_mib < 1 || options.write_mib > 1048576) throw input_error("--mib must be 1 to 1048576");
  options.dir = dir;
  return options;
}

}  // namespace

int command_doctor(World& world, std::span<const std::string> arguments) {
  bool help = false;
  const DoctorOptions options = parse(arguments, help);
  if (help) {
    log_line(kHelp);
    return kExitDone;
  }
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
