#include "clip_hpc/run/bench_lines.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "tests/expect_error.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

StepLine some_step() {
  StepLine line;
  line.device = "cpu";
  line.model = "tiny";
  line.batch = 128;
  line.precision = "fp32";
  line.ranks = 2;
  line.step_ms = 12.5;
  line.tflops = 0.25;
  line.gradient_bytes = 1 << 20;
  line.rank_steps.push_back({.rank = 1, .host = "b", .work_ms = 3});
  line.label = "weak";
  return line;
}

TEST(BenchLines, AStepIsReadAsItWasWritten) {
  const Json json = to_json(some_step());
  EXPECT_EQ(json.begin().key(), "bench");
  EXPECT_EQ((--json.end()).key(), "label");
  EXPECT_EQ(json.at("batch").dump(), "128");
  EXPECT_FALSE(json.contains("mfu"));
  const StepLine back = step_line_of(Json::parse(json.dump()));
  EXPECT_EQ(to_json(back).dump(), json.dump());
  EXPECT_EQ(back.rank_steps.at(0).host, "b");
}

TEST(BenchLines, ALineOfAnOlderVersionKeepsDefaults) {
  Json json = to_json(some_step());
  json.erase("attention");
  json.erase("label");
  const StepLine line = step_line_of(json);
  EXPECT_EQ(line.attention, "");
  EXPECT_EQ(line.label.value_or("weak"), "weak");
}

TEST(BenchLines, WhatAReportNeedsMustBeThere) {
  Json json = to_json(some_step());
  json.erase("gather_bytes");
  test::expect_error(ErrorKind::input, {"gather_bytes is missing"}, [&] { step_line_of(json); });
  json = to_json(some_step());
  json["nodes"] = "two";
  test::expect_error(ErrorKind::input, {"nodes has the wrong type", "two"}, [&] { step_line_of(json); });
}

TEST(BenchLines, ARateIsReadOffAnyStep) {
  const auto rate = rate_of_line({{"bench", "step"}, {"model", "tiny"}, {"precision", "bf16"}, {"tflops", 3.5}});
  ASSERT_TRUE(rate);
  EXPECT_EQ(rate->model, "tiny");
  EXPECT_EQ(rate->tflops, 3.5);
  EXPECT_FALSE(rate_of_line(to_json(CommLine{})));
}

TEST(BenchLines, AreAppendedToAFileWhereOneIsNamed) {
  const Scratch scratch;
  append_bench_line("", LoadLine{});
  append_bench_line(scratch / "a.jsonl", LoadLine{.what = "resize"});
  append_bench_line(scratch / "a.jsonl", CheckpointLine{.model = "", .bytes = 3});
  EXPECT_EQ(read_text_file(scratch / "a.jsonl"),
            "{\"bench\":\"load\",\"what\":\"resize\",\"threads\":1,\"samples_per_s\":0.0,\"mib_per_s\":0.0}\n"
            "{\"bench\":\"checkpoint\",\"model\":\"\",\"ranks\":1,\"nodes\":1,\"shard_optimizer\":false,\"bytes\":3,"
            "\"blocked_ms\":0.0,\"write_ms\":0.0,\"read_ms\":0.0}\n");
}

}  // namespace
}  // namespace clip_hpc
