#include "clip_hpc/study/scaling.hpp"

#include "tests/expect_error.hpp"
#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

ScalingPlan some_plan() {
  ScalingPlan plan;
  plan.options.model = "configs/models/tiny.json";
  plan.options.batch = 16;
  plan.points = {{1, 4}, {2, 4}, {8, 4}};
  return plan;
}

TEST(ScalingSizes, SortedAndOnce) {
  EXPECT_EQ(parse_sizes("8,1,2,2", "--nodes"), (std::vector<std::int64_t>{1, 2, 8}));
  EXPECT_EQ(parse_sizes("16", "--nodes"), (std::vector<std::int64_t>{16}));
  for (const char* text : {"", "1,", ",1", "0", "-2", "1;2", "two", "1 2", "1.5"}) {
    test::expect_error(ErrorKind::input, {"--nodes takes numbers from 1 on"}, [&] { parse_sizes(text, "--nodes"); });
  }
}

TEST(ScalingPlan, WrongValuesAreRefused) {
  EXPECT_NO_THROW(check_scaling(some_plan()));
  const auto refused = [](const std::string& words, auto change) {
    ScalingPlan plan = some_plan();
    change(plan);
    test::expect_error(ErrorKind::input, {words}, [&] { check_scaling(plan); });
  };
  refused("needs --model", [](ScalingPlan& p) { p.options.model = ""; });
  refused("--batch takes", [](ScalingPlan& p) { p.options.batch = 0; });
  refused("--precision must be", [](ScalingPlan& p) { p.options.precision = "fp8"; });
  refused("--seconds must", [](ScalingPlan& p) { p.options.seconds = 0; });
  refused("comma or a quote", [](ScalingPlan& p) { p.options.data = "a,b"; });
  refused("leaves some of 32 ranks without a pair", [](ScalingPlan& p) { p.options.global_batch = 31; });
  refused("leaves nothing to tell pairs from", [](ScalingPlan& p) {
    p.options.batch = 1;
    p.points = {{1, 1}};
  });
}

TEST(ScalingPlan, AFolderGrowsAndKeepsItsOptions) {
  const Scratch scratch;
  const ScalingPlan first = add_to_folder(scratch.path(), some_plan());
  EXPECT_EQ(first.points, some_plan().points);
  write_json_file(scratch / "scaling.json", scaling_json(first));
  const ScalingPlan read = read_scaling_plan(scratch / "scaling.json");
  EXPECT_EQ(read.options, first.options);
  EXPECT_EQ(read.points, first.points);
  ScalingPlan more = some_plan();
  more.points = {{4, 4}, {8, 4}};
  const ScalingPlan all = add_to_folder(scratch.path(), more);
  EXPECT_EQ(all.points, (std::vector<ScalingPoint>{{1, 4}, {2, 4}, {4, 4}, {8, 4}}));
  more.options.batch = 17;
  test::expect_error(ErrorKind::input, {"was measured with batch = 16, not 17", "another --output"},
                     [&] { add_to_folder(scratch.path(), more); });
  write_file_atomic(scratch / "scaling.json", "{}");
  test::expect_error(ErrorKind::input, {"was not written by clip_study scaling"},
                     [&] { add_to_folder(scratch.path(), more); });
}

TEST(ScalingPlan, APointIsCompleteWithItsFile) {
  const Scratch scratch;
  const ScalingPoint point{2, 4};
  EXPECT_EQ(point.name(), "n2x4");
  write_file_atomic(scratch / "n2x4.part", "");
  EXPECT_FALSE(is_complete(scratch.path(), point));
  write_file_atomic(scratch / "n2x4.jsonl", "");
  EXPECT_TRUE(is_complete(scratch.path(), point));
}

TEST(ScalingScript, OneJobASize) {
  ScalingPlan plan = some_plan();
  plan.options.global_batch = 512;
  const std::string text = scaling_script("/scratch/b16", plan, {{1, 4}, {8, 4}}, "00:20:00");
  EXPECT_PRED2(contains, text, "--nodes=8 --ntasks-per-node=4 --time=00:20:00");
  EXPECT_PRED2(contains, text,
               "--export=ALL,OUTPUT='/scratch/b16',NAME=n8x4,MODEL='configs/models/tiny.json',BATCH=16");
  EXPECT_PRED2(contains, text, "STRONG=512");
  EXPECT_PRED2(contains, text, "jobs/scaling.slurm");
  EXPECT_FALSE(contains(text, "NAME=n2x4"));
  // Loading is measured once.
  EXPECT_PRED2(contains, text,
               "NAME=n1x4,MODEL='configs/models/"
               "tiny.json',BATCH=16,PRECISION=fp32,SECONDS_EACH=10,MAX_MIB=64,PARTS='comm step checkpoint load'");
  EXPECT_PRED2(contains, text, "PARTS='comm step checkpoint '");
  // squeue shows the job under a name that parse_queue knows again.
  const StudyFolder folder{"/scratch/b16"};
  const Queue queue = parse_queue(folder, "77|RUNNING|" + job_name(folder, "n8x4", "scaling") + "\n");
  ASSERT_TRUE(queue.contains({"n8x4", 0}));
  EXPECT_EQ(queue.at({"n8x4", 0}).job, "77");
}

}  // namespace
}  // namespace clip_hpc
