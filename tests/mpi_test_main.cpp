// Test program for several ranks. Rank 0 speaks for all: after every test the ranks exchange their failures, so a
// failure anywhere fails the test everywhere. A test that hangs is named, with what each rank was communicating.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/device/device_library.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

World* the_world = nullptr;
ComputeDevice the_device;

class HangWatchdog {
 public:
  explicit HangWatchdog(World& world)
      : rank_(world.rank()), in_flight_(world.in_flight()), thread_([this] { watch(); }) {}
  ~HangWatchdog() {
    set({}, true);
    thread_.join();
  }
  HangWatchdog(const HangWatchdog&) = delete;
  HangWatchdog& operator=(const HangWatchdog&) = delete;

  void start(const std::string& test) { set(test, false); }
  void stop() { set({}, false); }

 private:
  using Clock = std::chrono::steady_clock;

  static std::chrono::duration<double> limit() {
    const char* text = std::getenv("CLIP_HPC_TEST_TIMEOUT_S");
    const double seconds = text != nullptr ? std::atof(text) : 0;
    return std::chrono::duration<double>(seconds > 0 ? seconds : 120.0);
  }

  void set(const std::string& test, bool ends) {
    const std::lock_guard lock(mutex_);
    test_ = test;
    ends_ = ends;
    deadline_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(limit());
    changed_.notify_one();
  }

  void watch() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
      if (test_.empty()) {
        changed_.wait(lock);
      } else if (changed_.wait_until(lock, deadline_) == std::cv_status::timeout && Clock::now() >= deadline_ &&
                 !test_.empty()) {
        give_up();
      }
    }
  }

  [[noreturn]] void give_up() {
    const char* operation = in_flight_->operation.load();
    std::fprintf(stderr, "[   HUNG   ] rank %d: %s, in %s (operation %lld of this rank) after %.0f s\n", rank_,
                 test_.c_str(), operation != nullptr ? operation : "no communication",
                 static_cast<long long>(in_flight_->started.load()), limit().count());
    std::fflush(nullptr);
    std::this_thread::sleep_for(std::chrono::seconds(2));  // the other ranks' words come first
    _exit(kExitComm);  // MPI belongs to the main thread, which is stuck in it: mpirun ends the others
  }

  int rank_;
  std::shared_ptr<InFlight> in_flight_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string test_;
  Clock::time_point deadline_{};
  bool ends_ = false;
  std::thread thread_;
};

class RankFailures : public testing::EmptyTestEventListener {
 public:
  RankFailures(World& world, HangWatchdog& watchdog) : world_(world), watchdog_(watchdog) {}

  void OnTestStart(const testing::TestInfo& test) override {
    watchdog_.start(std::string(test.test_suite_name()) + "." + test.name());
  }

  void OnTestEnd(const testing::TestInfo& test) override {
    std::string mine;
    for (int i = 0; i < test.result()->total_part_count(); ++i) {
      const testing::TestPartResult& part = test.result()->GetTestPartResult(i);
      if (!part.failed()) continue;
      mine += fmt::format("{}:{}\n{}\n", part.file_name() != nullptr ? part.file_name() : "?", part.line_number(),
                          part.message());
    }
    const std::vector<std::string> all = world_.all_gather_strings(mine);
    for (int rank = 0; rank < world_.size(); ++rank) {
      const std::string& text = all[static_cast<std::size_t>(rank)];
      if (rank != world_.rank() && !text.empty()) ADD_FAILURE() << "on rank " << rank << ":\n" << text;
    }
    watchdog_.stop();
  }

 private:
  World& world_;
  HangWatchdog& watchdog_;
};

}  // namespace

World& test_world() { return *the_world; }
const ComputeDevice& test_device() { return the_device; }

}  // namespace clip_hpc

int main(int argc, char** argv) {
  using namespace clip_hpc;
  testing::InitGoogleTest(&argc, argv);
  World world;
  the_world = &world;
  const char* const device = std::getenv("CLIP_HPC_TEST_DEVICE");
  try {
    the_device = choose_device(world, device != nullptr ? device : "cpu");
  } catch (const Error& problem) {
    // Without a driver or a GPU there is nothing to test; a library that does not open on a GPU node is a failure.
    std::string reason;
    const auto library = open_device_library(&reason);
    const bool has_gpu = library ? library->device_count() > 0 : reason.find(kNoDriver) == std::string::npos;
    if (world.rank() == 0) std::printf("%s: %s\n", has_gpu ? "FAILED" : "SKIPPED", problem.what());
    return has_gpu ? 1 : 77;  // as CTest's SKIP_RETURN_CODE has it
  }
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (world.rank() != 0) {  // one voice, one xml file
    delete listeners.Release(listeners.default_result_printer());
    delete listeners.Release(listeners.default_xml_generator());
  }
  HangWatchdog watchdog(world);
  listeners.Append(new RankFailures(world, watchdog));  // GoogleTest owns it
  const int code = RUN_ALL_TESTS();
  world.will_end_with(code);
  return code;
}
