#include "clip_hpc/base/stack_probe.hpp"

#include <cxxabi.h>
#include <execinfo.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <span>
#include <thread>

namespace clip_hpc {
namespace {

constexpr std::size_t kSignalStackBytes = 256 << 10;
constexpr int kMostFrames = 40;

std::array<void*, kMostFrames + 2> g_frames{};  // a handler can reach nothing else
std::atomic<int> g_count{-1};

int probe_signal() { return SIGRTMIN + 5; }

void on_probe(int) { g_count.store(::backtrace(g_frames.data(), static_cast<int>(g_frames.size()))); }

// "program(_ZN3foo3barEv+0x12) [0x…]" -> "foo::bar()".
std::string function_in(const std::string& symbol) {
  const auto open = symbol.find('('), plus = symbol.find('+', open);
  if (open == std::string::npos || plus == std::string::npos || plus == open + 1) return symbol;
  const std::string mangled = symbol.substr(open + 1, plus - open - 1);
  int status = 0;
  const std::unique_ptr<char, void (*)(void*)> name(abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status),
                                                    std::free);
  return status == 0 ? name.get() : mangled;
}

std::string what_the_kernel_says(pid_t thread) {
  std::ifstream file(fmt::format("/proc/self/task/{}/wchan", thread));
  std::string place;
  std::getline(file, place);
  return place;
}

}  // namespace

StackProbe::StackProbe()
    : thread_(::pthread_self()),
      thread_id_(static_cast<pid_t>(::syscall(SYS_gettid))),
      signal_stack_(std::make_unique<char[]>(kSignalStackBytes)) {
  ::backtrace(g_frames.data(), 1);  // loads the unwinder, which a handler must not do
  stack_t stack{};
  stack.ss_sp = signal_stack_.get();
  stack.ss_size = kSignalStackBytes;
  ::sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = on_probe;
  action.sa_flags = SA_ONSTACK | SA_RESTART;
  ::sigaction(probe_signal(), &action, nullptr);
}

StackProbe::~StackProbe() {
  ::signal(probe_signal(), SIG_IGN);
  stack_t none{};
  none.ss_flags = SS_DISABLE;
  ::sigaltstack(&none, nullptr);
}

std::vector<std::string> StackProbe::frames(double wait_s) const {
  g_count.store(-1);
  if (::pthread_kill(thread_, probe_signal()) != 0) return {};
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(wait_s);
  while (g_count.load() < 0 && std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  const int count = g_count.load();
  if (count <= 2) {
    const std::string place = what_the_kernel_says(thread_id_);
    return place.empty() || place == "0" ? std::vector<std::string>{} : std::vector{"in the kernel: " + place};
  }
  const std::unique_ptr<char*, void (*)(void*)> symbols(::backtrace_symbols(g_frames.data(), count), std::free);
  std::vector<std::string> names;
  for (char* symbol : std::span(symbols.get(), static_cast<std::size_t>(count)).subspan(2)) {  // the handler's own
    names.push_back(function_in(symbol));
  }
  return names;
}

}  // namespace clip_hpc
