#include "clip_hpc/base/lease.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <random>
#include <system_error>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/log.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr int kRenewalsInALease = 6;

std::string first_line_of(const char* file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// When a process began, in ticks since the machine's start: pids come back. Of one that is dead, and perhaps not
// buried, nothing.
std::string start_of(pid_t pid) {
  const std::string line = first_line_of(fmt::format("/proc/{}/stat", pid).c_str());
  const auto name_end = line.rfind(')');  // the name may hold anything
  if (name_end == std::string::npos || name_end + 2 >= line.size()) return "";
  if (const char state = line[name_end + 2]; state == 'Z' || state == 'X') return "";
  std::size_t at = name_end;
  for (int field = 2; field < 22 && at != std::string::npos; ++field) at = line.find(' ', at + 1);
  return at == std::string::npos ? "" : line.substr(at + 1, line.find(' ', at + 1) - at - 1);
}

// Within which pids can be compared: one start of one machine, one namespace.
std::string pid_space() {
  std::error_code none;
  return first_line_of("/proc/sys/kernel/random/boot_id") + " " + fs::read_symlink("/proc/self/ns/pid", none).native();
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

std::string variable(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? "" : text;
}

LeaseHolder myself(double lasts_s) {
  std::random_device chance;
  return {.host = host_name(),
          .pid = ::getpid(),
          .job = variable("SLURM_JOB_ID"),
          .restart = variable("SLURM_RESTART_COUNT"),
          .space = pid_space(),
          .started = start_of(::getpid()),
          .token = hex64(std::uint64_t{chance()} << 32 | chance()),
          .lasts_s = lasts_s};
}

Json to_json(const LeaseHolder& holder) {
  return {{"host", holder.host},   {"pid", holder.pid},         {"job", holder.job},     {"restart", holder.restart},
          {"space", holder.space}, {"started", holder.started}, {"token", holder.token}, {"lasts_s", holder.lasts_s}};
}

LeaseHolder from_json(const Json& json) {
  return {.host = json.at("host").get<std::string>(),
          .pid = json.at("pid").get<pid_t>(),
          .job = json.at("job").get<std::string>(),
          .restart = json.at("restart").get<std::string>(),
          .space = json.at("space").get<std::string>(),
          .started = json.at("started").get<std::string>(),
          .token = json.at("token").get<std::string>(),
          .lasts_s = json.at("lasts_s").get<double>()};
}

fs::path beside(const fs::path& file, const char* what) {
  return fmt::format("{}.{}.{}.{}", file.native(), what, host_name(), ::getpid());
}

// The time of the file system, which need not be this machine's.
std::optional<double> modified_s(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return std::nullopt;
  return static_cast<double>(info.st_mtim.tv_sec) + 1e-9 * static_cast<double>(info.st_mtim.tv_nsec);
}

double now_s(const fs::path& file) {
  const fs::path clock = beside(file, "clock");
  write_file_atomic(clock, "");
  const double now = modified_s(clock).value_or(0);
  ::unlink(clock.c_str());
  return now;
}

// Whose it is: empty where there is none. Storage that fails for a while says nothing.
constexpr const char* kUnreadable = "?";
std::string read_token(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return errno == ENOENT ? "" : kUnreadable;
  try {
    return read_json_file(file).at("token").get<std::string>();
  } catch (const std::exception&) {
    return ::stat(file.c_str(), &info) != 0 && errno == ENOENT ? "" : kUnreadable;
  }
}

}  // namespace

std::string LeaseHolder::text() const {
  return fmt::format("process {} on {}{}, renewed {:.0f} s ago", pid, host,
                     job.empty() ? "" : fmt::format(" (job {})", job), age_s);
}

LeaseHolder read_lease(const fs::path& file) {
  const std::optional<double> renewed = modified_s(file);
  if (!renewed) return {};
  LeaseHolder holder;
  try {
    holder = from_json(read_json_file(file));
  } catch (const std::exception&) {
    if (!modified_s(file)) return {};  // given up meanwhile
    holder.host = "an unknown host";
    holder.pid = -1;
    holder.lasts_s = LeaseOptions{}.lasts_s;
  }
  try {
    holder.age_s = std::max(0.0, now_s(file) - *renewed);
  } catch (const Error&) {  // who only looks may not write here; then this machine's clock has to do
    const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
    holder.age_s = std::max(0.0, now.count() - *renewed);
  }
  return holder;
}

bool is_dead(const LeaseHolder& holder) {
  if (holder.age_s > holder.lasts_s) return true;
  if (!holder.space.empty() && holder.space == pid_space()) return start_of(holder.pid) != holder.started;
  // Slurm starts a job again only when nothing of its former start is left.
  const std::string job = variable("SLURM_JOB_ID");
  return !job.empty() && job == holder.job && variable("SLURM_RESTART_COUNT") != holder.restart;
}

Lease::Lease(fs::path file, LeaseOptions options) : file_(std::move(file)), options_(std::move(options)) {
  LeaseHolder first = read_lease(file_);
  bool has_told = false;
  while (!try_to_make()) {
    const LeaseHolder holder = read_lease(file_);
    if (holder.pid == 0) continue;  // given up meanwhile
    if (is_dead(holder)) {
      if (take_over()) {
        taken_from_ = holder.text();
      } else {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));  // another takes over
      }
      continue;
    }
    const bool is_renewed = holder.token != first.token || holder.age_s + 0.01 < first.age_s;
    const bool is_here = holder.space == pid_space();  // and not dead
    if (is_renewed || is_here) throw input_error("{} is held by {}", file_.parent_path().native(), holder.text());
    if (!std::exchange(has_told, true)) {
      log_info("{} was held by {}: waiting for at most {:.0f} s, to see whether that lives",
               file_.parent_path().native(), holder.text(), holder.lasts_s - holder.age_s);
    }
    first = holder;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  renewer_ = std::jthread([this](const std::stop_token& stop) { renew(stop); });
}

Lease::~Lease() {
  renewer_.request_stop();
  if (renewer_.joinable()) renewer_.join();
  if (is_mine()) ::unlink(file_.c_str());
}

bool Lease::is_mine() const { return read_token(file_) == token_; }

// By link: it either makes the whole file or fails, on NFS as well, where its answer may be lost: then the count tells.
bool Lease::try_to_make() {
  const fs::path own = beside(file_, "new");
  const LeaseHolder me = myself(options_.lasts_s);
  write_json_file(own, to_json(me));
  const int linked = ::link(own.c_str(), file_.c_str());
  const int problem = errno;
  struct stat info {};
  const bool is_made = linked == 0 || (::stat(own.c_str(), &info) == 0 && info.st_nlink == 2);
  ::unlink(own.c_str());
  if (is_made) token_ = me.token;
  if (!is_made && problem != EEXIST) return try_without_links(me, problem);
  return is_made;
}

// File systems without links (some of FUSE, exFAT).
bool Lease::try_without_links(const LeaseHolder& me, int why) {
  const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0664);
  if (fd < 0 && errno == EEXIST) return false;
  if (fd < 0) throw storage_error("cannot make {}: {}", file_.native(), std::generic_category().message(why));
  const FileDescriptor open(fd);
  const std::string text = to_json(me).dump();
  pwrite_all(fd, std::as_bytes(std::span(text)), 0, file_.native());
  token_ = me.token;
  return true;
}

// One at a time, and looked at again by who has the turn: else a second would remove what the first has just made.
bool Lease::take_over() const {
  const fs::path turn = file_.native() + ".turn";
  if (::mkdir(turn.c_str(), 0777) != 0) {
    // Its maker died in that moment when it is as old as a lease.
    const std::optional<double> made = modified_s(turn);
    if (made && now_s(file_) - *made > options_.lasts_s) ::rmdir(turn.c_str());
    return false;
  }
  const LeaseHolder holder = read_lease(file_);
  const bool is_taken = holder.pid != 0 && is_dead(holder) && ::unlink(file_.c_str()) == 0;
  ::rmdir(turn.c_str());
  return is_taken;
}

void Lease::renew(const std::stop_token& stop) const {
  const std::chrono::duration<double> pause(options_.lasts_s / kRenewalsInALease);
  std::mutex mutex;
  std::condition_variable_any woken;  // only by the request to stop
  std::unique_lock lock(mutex);
  while (!woken.wait_for(lock, stop, pause, [] { return false; }) && !stop.stop_requested()) {
    const std::string token = read_token(file_);
    if (token == token_) {
      ::utimensat(AT_FDCWD, file_.c_str(), nullptr, 0);  // the file system's time
    } else if (token != kUnreadable && options_.on_loss) {
      const LeaseHolder now = read_lease(file_);
      options_.on_loss(fmt::format("{}: {}; this process was silent for too long and gave way",
                                   file_.parent_path().native(),
                                   now.pid == 0 ? "its lease is gone" : "now held by " + now.text()));
      return;
    }
  }
}

}  // namespace clip_hpc
