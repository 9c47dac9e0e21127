// Where a thread that is stuck stands: its stack, asked for from another thread.
#pragma once

#include <pthread.h>

#include <memory>
#include <string>
#include <vector>

namespace clip_hpc {

// Of the thread that makes it; one at a time in a process. That thread gets a stack of its own for the signal with
// which it is asked, so that what it is computing is not touched.
class StackProbe {
 public:
  StackProbe();
  ~StackProbe();
  StackProbe(const StackProbe&) = delete;
  StackProbe& operator=(const StackProbe&) = delete;

  // Function names from the innermost outwards, at most 40; where the thread does not answer in `wait_s` (it hangs in
  // the kernel), what the kernel says it waits for, or nothing.
  std::vector<std::string> frames(double wait_s = 2) const;

 private:
  pthread_t thread_;
  pid_t thread_id_;
  std::unique_ptr<char[]> signal_stack_;
};

}  // namespace clip_hpc
