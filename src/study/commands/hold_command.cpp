#include <unistd.h>

#include <array>
#include <cstdio>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/lease.hpp"
#include "clip_hpc/base/stop_signal.hpp"
#include "study/command_parts.hpp"
#include "study/study_commands.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kHoldHelp =
    R"(clip_study hold: holds a cell of a study for the script that started it (jobs/study_cell.sh)

Takes the lease and prints "held", with the dead holder that it was taken from. Renews it until its standard input ends,
which is when all who write to it have ended. Where somebody else took over meanwhile, it prints "lost" and who has it.
Exit codes: 0 given up, 1 lost, 2 somebody else holds it.

Examples:
  coproc clip_study hold --file cells/a/lease
)";

void say(const std::string& line) {
  std::fputs((line + "\n").c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

int command_hold(const std::vector<std::string>& arguments) {
  std::string file;
  double lasts_s = 120;
  ArgumentTable options;
  options.add("file", file, "the lease: it is there while somebody holds it");
  options.add("lasts-s", lasts_s, "seconds after which a silent holder counts as dead", in_range(0.5, 1e6));
  if (!read_options(options, arguments, kHoldHelp)) return kExitDone;
  if (file.empty()) throw input_error("clip_study hold needs --file");
  const OrderlyStop lives_as_long_as_its_input;
  const Lease lease(file, {.lasts_s = lasts_s, .on_loss = [](const std::string& text) {
                             say("lost " + text);
                             ::_exit(1);  // there is nothing left to hold or to give up
                           }});
  say(lease.taken_from().empty() ? "held" : "held " + lease.taken_from());
  std::array<char, 64> unused{};
  while (::read(STDIN_FILENO, unused.data(), unused.size()) > 0) {
  }
  return kExitDone;
}

}  // namespace clip_hpc
