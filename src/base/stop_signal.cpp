#include "clip_hpc/base/stop_signal.hpp"

#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"

namespace clip_hpc {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<bool> g_requested{false};
std::atomic<int> g_orderly{0};  // how many OrderlyStop there are
std::atomic<int> g_leaves_nothing{0};

sigset_t stop_signals() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGUSR1, SIGTERM, SIGINT}) ::sigaddset(&set, signal);
  return set;
}

void let_through(const sigset_t& set) { ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr); }

const char* name_of(int signal) {
  return signal == SIGUSR1 ? "SIGUSR1" : signal == SIGTERM ? "SIGTERM" : "Ctrl-C (SIGINT)";
}

// The other threads are anywhere, and may hold any lock: nothing but system calls.
[[noreturn]] void leave(int signal) {
  remove_unfinished_files();
  if (is_logging_rank()) {
    const std::string text =
        fmt::format("stopped by {}: the same command continues from what is complete\n", name_of(signal));
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  }
  ::_exit(kExitStoppedCleanly);
}

[[noreturn]] void die_of(int signal) {
  sigset_t one;
  ::sigemptyset(&one);
  ::sigaddset(&one, signal);
  std::signal(signal, SIG_DFL);
  let_through(one);
  std::raise(signal);
  ::_exit(128 + signal);  // never reached
}

struct Request {
  int signal = 0;
  Clock::time_point when{};
};

bool insists(const Request& before, int signal) {
  if (signal == SIGINT) return true;
  return signal == SIGTERM && before.signal == SIGTERM && Clock::now() - before.when > std::chrono::seconds(1);
}

[[noreturn]] void wait_for_signals() {
  const sigset_t set = stop_signals();
  Request before;
  for (;;) {
    int signal = 0;
    if (::sigwait(&set, &signal) != 0) continue;
    if (g_orderly.load() == 0) leave(signal);
    if (g_requested.load() && insists(before, signal)) {
      if (g_leaves_nothing.load() > 0) leave(signal);
      die_of(signal);
    }
    before = {signal, Clock::now()};
    g_requested.store(true);
  }
}

}  // namespace

void block_stop_signals() {
  const sigset_t set = stop_signals();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

void watch_stop_signals() {
  static std::atomic<bool> is_watched{false};
  if (is_watched.exchange(true)) return;
  block_stop_signals();
  // Programs that a library starts by fork (MPI's helper of a rank without mpirun) shall die when they are asked to.
  ::pthread_atfork(nullptr, nullptr, [] { let_through(stop_signals()); });
  std::thread(wait_for_signals).detach();
}

OrderlyStop::OrderlyStop(bool leaves_nothing) : leaves_nothing_(leaves_nothing) {
  g_leaves_nothing.fetch_add(leaves_nothing_ ? 1 : 0);
  g_orderly.fetch_add(1);
}
OrderlyStop::~OrderlyStop() {
  g_orderly.fetch_sub(1);
  g_leaves_nothing.fetch_sub(leaves_nothing_ ? 1 : 0);
}

bool shutdown_requested() { return g_requested.load(); }

void request_shutdown() { g_requested.store(true); }

void clear_shutdown_request() { g_requested.store(false); }

}  // namespace clip_hpc
