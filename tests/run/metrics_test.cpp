#include "clip_hpc/run/metrics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

MetricsLine line_of(std::int64_t step, double loss) {
  MetricsLine line;
  line.step = step;
  line.samples_seen = step * 64;
  line.loss = loss;
  return line;
}

void append_raw(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::app) << text;
}

TEST(Metrics, EveryFieldComesBack) {
  const Scratch scratch;
  const auto file = scratch / "metrics.jsonl";
  MetricsLine line{.step = 3,
                   .samples_seen = 192,
                   .epoch = 0.1,
                   .time_s = 2.5,
                   .loss = 1.0 / 3.0,
                   .logit_scale = 14.2857,
                   .lr = 5e-4,
                   .grad_norm = 0.7,
                   .samples_per_s = 1e5,
                   .data_wait_share = 0.01,
                   .comm_wait_share = 0.02,
                   .compute_share = 0.9,
                   .tflops = 123.4,
                   .utilisation = 0.55,
                   .rss_bytes = 5'000'000'000,
                   .skipped_steps = 2,
                   .bad_samples = 7};
  append_metrics(file, line);
  line.step = 4;
  line.loss = std::numeric_limits<double>::infinity();
  append_metrics(file, line);
  const auto lines = read_metrics(file);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[0].loss, 1.0 / 3.0);
  EXPECT_EQ(lines[0].samples_seen, 192);
  EXPECT_EQ(lines[0].bad_samples, 7);
  EXPECT_EQ(lines[0].epoch, 0.1);
  EXPECT_EQ(lines[0].time_s, 2.5);
  EXPECT_EQ(lines[0].logit_scale, 14.2857);
  EXPECT_EQ(lines[0].lr, 5e-4);
  EXPECT_EQ(lines[0].grad_norm, 0.7);
  EXPECT_EQ(lines[0].samples_per_s, 1e5);
  EXPECT_EQ(lines[0].data_wait_share, 0.01);
  EXPECT_EQ(lines[0].comm_wait_share, 0.02);
  EXPECT_EQ(lines[0].compute_share, 0.9);
  EXPECT_EQ(lines[0].tflops, 123.4);
  EXPECT_EQ(lines[0].utilisation, 0.55);
  EXPECT_EQ(lines[0].rss_bytes, 5'000'000'000);
  EXPECT_EQ(lines[0].skipped_steps, 2);
  EXPECT_TRUE(std::isnan(lines[1].loss));
  EXPECT_NE(read_text_file(file).find("\"loss\":null"), std::string::npos);
}

TEST(Metrics, TruncatedLastLineIsIgnoredAndRepaired) {
  const Scratch scratch;
  const auto file = scratch / "metrics.jsonl";
  append_metrics(file, line_of(1, 5));
  append_raw(file, R"({"step":2,"lo)");
  EXPECT_EQ(read_metrics(file).size(), 1U);
  append_metrics(file, line_of(2, 4));
  const auto lines = read_metrics(file);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].loss, 4);
  // A whole last line that lacks its newline alone is kept.
  append_raw(file, R"({"step":3})");
  append_metrics(file, line_of(4, 2));
  EXPECT_EQ(read_metrics(file).size(), 4U);
}

TEST(Metrics, AfterAResumeTheLaterLinesWin) {
  const Scratch scratch;
  const auto file = scratch / "metrics.jsonl";
  for (const std::int64_t step : {10, 20, 30, 40}) append_metrics(file, line_of(step, 1));
  for (const std::int64_t step : {20, 30}) append_metrics(file, line_of(step, 2));
  const auto lines = read_metrics(file);
  ASSERT_EQ(lines.size(), 3U);  // step 40 belongs to the life that was lost
  EXPECT_EQ(lines[0].loss, 1);
  EXPECT_EQ(lines[1].loss, 2);
  EXPECT_EQ(lines[2].step, 30);
}

TEST(Metrics, BrokenMiddleLineNamesFileAndLine) {
  const Scratch scratch;
  for (const char* broken :
       {"garbage\n", "{\"loss\":1}\n", "{\"step\":\"x\"}\n", "[1]\n", "{\"step\":1,\"loss\":\"x\"}\n"}) {
    const auto file = scratch / "metrics.jsonl";
    std::filesystem::remove(file);
    append_metrics(file, line_of(1, 5));
    append_raw(file, broken);
    try {
      read_metrics(file);
      FAIL() << broken;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::storage);
      EXPECT_NE(std::string(error.what()).find("metrics.jsonl line 2"), std::string::npos) << error.what();
    }
  }
  EXPECT_THROW(read_metrics(scratch / "absent.jsonl"), Error);
}

TEST(Metrics, EmptyFileAndTrainingTime) {
  const Scratch scratch;
  write_file_atomic(scratch / "m.jsonl", "");
  EXPECT_TRUE(read_metrics(scratch / "m.jsonl").empty());
  std::vector<MetricsLine> lines(5);
  lines[0].time_s = 10;
  lines[1].time_s = 30;
  lines[3].time_s = 5;  // a new session, counting from 0
  lines[4].time_s = 8;
  EXPECT_DOUBLE_EQ(training_time_s(lines), 38);
  EXPECT_EQ(training_time_s({}), 0);
}

}  // namespace
}  // namespace clip_hpc
