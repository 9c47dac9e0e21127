#include "clip_hpc/base/stop_signal.hpp"

#include <atomic>
#include <csignal>

namespace clip_hpc {
namespace {

std::atomic<bool> g_requested{false};  // a signal handler can reach nothing else

void on_signal(int) { g_requested.store(true); }

}  // namespace

void install_shutdown_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGUSR1, SIGTERM}) sigaction(signal, &action, nullptr);
  action.sa_flags |= static_cast<int>(SA_RESETHAND);  // a second Ctrl-C ends the process at once
  sigaction(SIGINT, &action, nullptr);
}

bool shutdown_requested() { return g_requested.load(); }

void clear_shutdown_request() { g_requested.store(false); }

}  // namespace clip_hpc
