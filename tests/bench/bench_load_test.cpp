#include "clip_hpc/bench/bench_load.hpp"

#include <gtest/gtest.h>

#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(BenchLoad, MeasuresAndCleansUp) {
  const test::TempFolder folder;
  const LoadBenchOptions options{.folder = folder / "bench", .samples = 64, .threads = 2, .seconds = 0.05};
  for (const LoadRate& rate : {bench_raw_read(options), bench_jpeg_read(options, 64), bench_turbojpeg(options, 64),
                               bench_jpeg_batches(options, 64, 32)}) {
    EXPECT_GT(rate.samples_per_s, 0) << rate.name;
    EXPECT_GT(rate.mib_per_s, 0) << rate.name;
    EXPECT_GE(rate.seconds, 0.05) << rate.name;
    EXPECT_FALSE(std::filesystem::exists(options.folder));
  }
  EXPECT_GT(bench_view("drawing", 40, 1, 32, 0.05).samples_per_s, 0);
  std::filesystem::create_directories(options.folder);
  test::expect_error(ErrorKind::input, {"exists"}, [&] { bench_raw_read(options); });
}

}  // namespace
}  // namespace clip_hpc
