// On the CPU, a batch is used where it lies, and clocks are the wall's.
#include "clip_hpc/train/batch_feed.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "clip_hpc/train/step_clock.hpp"

namespace clip_hpc {
namespace {

PairBatch batch_of(std::int64_t rows) {
  return {at::zeros({1, rows, 3, 4, 4}, at::kByte),
          at::arange(rows * 5, at::kLong).view({rows, 5}),
          at::zeros({rows, 2}, at::kLong),
          {}};
}

TEST(BatchFeed, OnTheCpuNothingIsCopied) {
  BatchFeed feed(at::kCPU, std::make_shared<InFlight>());
  for (int step = 0; step < 3; ++step) {
    const PairBatch host = batch_of(4 + step);
    const PairBatch fed = feed.put(host);
    EXPECT_EQ(fed.images.data_ptr(), host.images.data_ptr());
    EXPECT_EQ(fed.ids.data_ptr(), host.ids.data_ptr());
    EXPECT_EQ(fed.kept->data_ptr(), host.kept->data_ptr());
    feed.done();
  }
}

TEST(StepClock, SumsItsPiecesAndBeginsAnew) {
  StepClock clock(at::kCPU, 2);
  for (int step = 0; step < 2; ++step) {
    clock.start();
    clock.lap(0);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    clock.lap(1);
  }
  const std::vector<double> seconds = clock.collect_s();
  EXPECT_GE(seconds[1], 0.040);
  EXPECT_LT(seconds[0], seconds[1]);
  EXPECT_EQ(clock.collect_s(), (std::vector<double>{0.0, 0.0}));
}

}  // namespace
}  // namespace clip_hpc
