#include "clip_hpc/base/stack_probe.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

namespace clip_hpc {

// Not static: only exported names can be told.
__attribute__((noinline)) void wait_where_a_test_finds_it(const std::atomic<bool>& done) {
  while (!done) std::this_thread::yield();
}

namespace {

TEST(StackProbe, TellsWhereAnotherThreadStands) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<bool> ready{false}, done{false};
    std::unique_ptr<StackProbe> probe;
    std::thread stuck([&] {
      probe = std::make_unique<StackProbe>();
      ready = true;
      wait_where_a_test_finds_it(done);
      probe.reset();
    });
    while (!ready) std::this_thread::yield();
    const std::vector<std::string> frames = probe->frames();
    done = true;
    stuck.join();
    const bool is_found = std::ranges::any_of(
        frames, [](const std::string& name) { return name.find("wait_where_a_test_finds_it") != std::string::npos; });
    EXPECT_TRUE(is_found) << frames.size() << " frames, the first: " << (frames.empty() ? "" : frames[0]);
    EXPECT_LE(frames.size(), 42U);
  }
}

}  // namespace
}  // namespace clip_hpc
