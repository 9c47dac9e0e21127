// On the CPU, a batch is used where it lies, clocks are the wall's, and a graph is refused aloud.
#include "clip_hpc/train/batch_feed.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "clip_hpc/train/graphed_step.hpp"
#include "clip_hpc/train/step_clock.hpp"

namespace clip_hpc {
namespace {

PairBatch batch_of(std::int64_t rows) {
  return {at::zeros({rows, 3, 4, 4}, at::kByte),
          at::arange(rows * 5, at::kLong).view({rows, 5}),
          at::zeros({rows, 2}, at::kLong),
          {}};
}

TEST(BatchFeed, OnTheCpuNothingIsCopied) {
  BatchFeed feed(at::kCPU);
  for (int step = 0; step < 3; ++step) {
    const PairBatch host = batch_of(4 + step);
    const PairBatch fed = feed.put(host);
    EXPECT_EQ(fed.bytes.data_ptr(), host.bytes.data_ptr());
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

TEST(GraphedStep, WithoutADeviceEveryStepIsPlain) {
  int plain = 0;
  GraphedStep step({}, true, [&](const PairBatch& pairs) {
    plain += 1;
    return pairs.ids.sum();
  });
  EXPECT_NE(step.refusal(), "");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(step.run(batch_of(2)).item<std::int64_t>(), 45);
  EXPECT_EQ(plain, 6);
  EXPECT_EQ(step.graphs(), 0U);
  GraphedStep off({}, false, [](const PairBatch& pairs) { return pairs.ids.sum(); });
  EXPECT_EQ(off.refusal(), "");
}

}  // namespace
}  // namespace clip_hpc
