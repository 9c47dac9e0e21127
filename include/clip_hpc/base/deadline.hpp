// For work that may never return, such as a write to storage that hangs: somebody else acts when it takes too long.
#pragma once

#include <functional>
#include <thread>

namespace clip_hpc {

class Deadline {
 public:
  // `on_miss` is called in another thread, once, when this object still lives after `seconds`. 0: never.
  Deadline(double seconds, std::function<void()> on_miss);

 private:
  std::jthread thread_;
};

}  // namespace clip_hpc
