#include "postprocess/fit/scaling_lines.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "postprocess/figures/scaling_figures.hpp"
#include "postprocess/fit/step_model.hpp"
#include "postprocess/report_command.hpp"
#include "tests/expect_error.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

constexpr double kWork0_ms = 2, kWork1_ms = 0.5, kGradientBytes = 8e6, kPairBytes = 1024;
constexpr int kSlow = 1;  // this rank works longest

// One rank a node; halving and doubling over links of 20 us and 100 MB/s; half of the work hides gradients.
double all_reduce_ms(int ranks, double bytes) {
  return 1e3 * (2 * std::log2(ranks) * 20e-6 + 2 * (ranks - 1.0) / ranks * bytes / 100e6);
}
double half_ms(int ranks, double bytes) { return all_reduce_ms(ranks, bytes) / 2; }  // all-gather, reduce-scatter

Json step_line(const char* label, int ranks, double batch) {
  const double work = kWork0_ms + kWork1_ms * batch / ranks;
  const double gradients = ranks == 1 ? 0 : 2 * all_reduce_ms(ranks, kGradientBytes / 2);
  const double gather = ranks == 1 ? 0 : 2 * half_ms(ranks, kPairBytes * batch);
  const double wait = std::max(0.0, gradients - 0.5 * work) + gather, step = work + wait;
  Json line = {{"bench", "step"},
               {"label", label},
               {"device", "cpu"},
               {"model", "<small>"},
               {"precision", "fp32"},
               {"ranks", ranks},
               {"nodes", ranks},
               {"batch", batch},
               {"step_ms", step},
               {"pairs_per_s", 1e3 * batch / step},
               {"gradient_bytes", kGradientBytes},
               {"gradient_buckets", 2},
               {"gradients_alone_ms", gradients},
               {"gather_bytes", kPairBytes * batch},
               {"gather_alone_ms", gather},
               {"rank_steps", Json::array()}};
  for (int rank = 0; rank < ranks; ++rank) {
    const double more = ranks == 1 ? 0 : rank == kSlow ? 0.01 * (ranks - 1) : -0.01;  // no change of the mean
    line["rank_steps"].push_back({{"rank", rank},
                                  {"host", fmt::format("n{}", rank + 1)},
                                  {"step_ms", step},
                                  {"work_ms", work + more},
                                  {"comm_wait_ms", wait - more},
                                  {"data_wait_ms", 0},
                                  {"least_work_ms", work},
                                  {"median_work_ms", work},
                                  {"most_work_ms", work + more}});
  }
  return line;
}

void write_size(const std::filesystem::path& folder, int ranks) {
  const auto file = folder / fmt::format("n{}x1.jsonl", ranks);
  for (double bytes = 1024; ranks > 1 && bytes < 2e7; bytes *= 4) {
    for (const char* operation : {"all_reduce", "start_all_reduce", "all_gather", "reduce_scatter"}) {
      const bool is_half = operation == std::string("all_gather") || operation == std::string("reduce_scatter");
      const double ms = is_half ? half_ms(ranks, bytes) : all_reduce_ms(ranks, bytes);
      append_line(file, Json{{"bench", "comm"},
                             {"ranks", ranks},
                             {"nodes", ranks},
                             {"operation", operation},
                             {"bytes", bytes},
                             {"us", 1e3 * ms},
                             {"busbw_mb_s", 90}}
                            .dump());
    }
  }
  append_line(file, step_line("weak", ranks, 16.0 * ranks).dump());
  append_line(file, step_line("strong", ranks, 64).dump());
  append_line(file, Json{{"bench", "checkpoint"},
                         {"ranks", ranks},
                         {"nodes", ranks},
                         {"bytes", 1e8},
                         {"write_ms", 600},
                         {"read_ms", 50}}
                        .dump());
}

struct Folder {
  explicit Folder(const std::vector<int>& sizes = {1, 2, 4, 8}) {
    for (const int ranks : sizes) write_size(scratch.path(), ranks);
  }
  Scratch scratch;
};

TEST(Scaling, ReadsWhatWasMeasured) {
  const Folder folder;
  const ScalingRecords records = read_scaling(folder.scratch.path());
  EXPECT_TRUE(records.broken.empty());
  ASSERT_EQ(records.steps.size(), 8U);
  EXPECT_EQ(records.steps[3].label, "weak");
  EXPECT_EQ(records.steps[3].ranks, 8);
  EXPECT_EQ(records.steps[7].label, "strong");
  EXPECT_EQ(records.steps[3].slowest().rank, kSlow);
  EXPECT_EQ(records.steps[3].slowest().host, "n2");
  EXPECT_NEAR(records.steps[3].work_ms(), kWork0_ms + 16 * kWork1_ms, 1e-9);
  EXPECT_NEAR(records.steps[3].work_ms() + records.steps[3].comm_wait_ms(), records.steps[3].step_ms, 1e-9);
  EXPECT_EQ(records.comm.size(), 3U * 8 * 4);
  EXPECT_EQ(records.checkpoints.size(), 4U);
  EXPECT_DOUBLE_EQ(efficiency_of(records, records.steps[0]), 1);
  EXPECT_NEAR(efficiency_of(records, records.steps[3]), records.steps[0].step_ms / records.steps[3].step_ms, 1e-12);
}

TEST(Scaling, TheLastOfTheSameCounts) {
  const Folder folder({1, 2});
  Json again = step_line("weak", 2, 32);
  again["step_ms"] = 77;
  append_line(folder.scratch / "n2x1.jsonl", again.dump());
  const ScalingRecords records = read_scaling(folder.scratch.path());
  ASSERT_EQ(records.steps.size(), 4U);
  EXPECT_EQ(records.steps[1].step_ms, 77);
}

TEST(Scaling, ABrokenLineIsNamedAndLeftOut) {
  const Folder folder({1, 2});
  Json too_few = step_line("weak", 4, 64);
  too_few["rank_steps"].erase(0);
  Json never = step_line("weak", 4, 64);
  never["step_ms"] = 0;
  write_file_atomic(folder.scratch / "n4x1.jsonl",
                    fmt::format("{{\"bench\": \"comm\"}}\n{{\"ben\n{}\n\n{}\n", too_few.dump(), never.dump()));
  write_file_atomic(
      folder.scratch / "scaling.json",
      R"({"points": [{"name": "n2x1", "ranks": 2, "nodes": 2}, {"name": "n8x1", "ranks": 8, "nodes": 8}]})");
  write_file_atomic(folder.scratch / "n8x1.part", "");
  const ScalingRecords records = read_scaling(folder.scratch.path());
  EXPECT_EQ(records.steps.size(), 4U);
  ASSERT_EQ(records.broken.size(), 4U);
  EXPECT_NE(records.broken[0].find("n4x1.jsonl:1: "), std::string::npos);
  EXPECT_NE(records.broken[1].find("n4x1.jsonl:2: "), std::string::npos);
  EXPECT_NE(records.broken[2].find("n4x1.jsonl:3: rank_steps has 3 entries for 4 ranks"), std::string::npos);
  EXPECT_NE(records.broken[3].find("n4x1.jsonl:5: step_ms is 0"), std::string::npos);
  EXPECT_EQ(records.missing, std::vector<std::string>{"n8x1: 8 ranks on 8 nodes, begun and not ended"});
}

TEST(Scaling, NothingMeasuredIsSaid) {
  const Scratch scratch;
  test::expect_error(ErrorKind::input, {"holds no .jsonl", "clip_study scaling"},
                     [&] { read_scaling(scratch.path()); });
  test::expect_error(ErrorKind::input, {"holds no .jsonl"}, [&] { read_scaling(scratch / "nowhere"); });
  write_file_atomic(scratch / "a.jsonl", "what\n");
  test::expect_error(ErrorKind::input, {"no line of clip_hpc bench step", "a.jsonl:1"},
                     [&] { read_scaling(scratch.path()); });
}

TEST(StepModel, TellsTheLargestSizeFromTheOthers) {
  const Folder folder;
  const ScalingRecords records = read_scaling(folder.scratch.path());
  std::string why;
  const auto model = fit_step_model(records, 4, why);
  ASSERT_TRUE(model) << why;
  EXPECT_EQ(model->gradients->shape, Shape::halving);
  EXPECT_NEAR(model->gradients->between.beta_s_per_byte, 1e-8, 1e-12);
  EXPECT_NEAR(model->gradients_factor, 1, 1e-6);
  EXPECT_NEAR(model->work_0_ms, kWork0_ms, 1e-6);
  EXPECT_NEAR(model->work_1_ms, kWork1_ms, 1e-6);
  EXPECT_NEAR(model->hidden_share, 0.5, 1e-6);
  EXPECT_NEAR(model->rest_ms, 0, 1e-6);
  const auto held_out = held_out_steps(records, why);
  ASSERT_EQ(held_out.size(), 2U);
  for (const HeldOutStep& one : held_out) {
    EXPECT_EQ(one.predicted.ranks, 8);
    EXPECT_NEAR(one.miss(), 0, 1e-6) << one.label;
    EXPECT_NEAR(one.gradients_miss(), 0, 1e-6) << one.label;
  }
}

TEST(StepModel, AStepThatIsSlowerThanToldIsAMiss) {
  const Folder folder({1, 2, 4});
  Json slow = step_line("weak", 8, 128);
  slow["step_ms"] = 2 * slow["step_ms"].get<double>();
  append_line(folder.scratch / "n8x1.jsonl", slow.dump());
  std::string why;
  const auto held_out = held_out_steps(read_scaling(folder.scratch.path()), why);
  ASSERT_EQ(held_out.size(), 1U);
  EXPECT_NEAR(held_out[0].miss(), -0.5, 1e-6);
}

TEST(StepModel, TooFewSizesAreSaid) {
  const Folder folder({1, 2});
  const ScalingRecords records = read_scaling(folder.scratch.path());
  std::string why;
  EXPECT_TRUE(held_out_steps(records, why).empty());
  EXPECT_EQ(why, "a check needs two world sizes of several ranks");
  EXPECT_FALSE(fit_step_model(records, 1, why));
  EXPECT_EQ(why, "no step on more than one rank");
}

TEST(ScalingReport, PageTerminalAndCsv) {
  const Folder folder;
  std::ostringstream out, err;
  const std::string page = folder.scratch / "page.html";
  ASSERT_EQ(report_command({"--scaling", folder.scratch.path(), "--predict-ranks", "64", "--output", page}, out, err),
            0)
      << err.str();
  const std::string said = out.str(), text = read_text_file(page);
  const auto has = [](const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; };
  EXPECT_TRUE(has(said, "weak scaling of <small>, fp32, 16 pairs a rank")) << said;
  EXPECT_TRUE(has(said, "1 on n2, 10.07 ms")) << said;
  EXPECT_TRUE(has(said, "halving and doubling; between nodes 20 us a round, 100 MB/s; within a node not measured"));
  EXPECT_TRUE(has(said, "held out, weak on 8 ranks: step predicted")) << said;
  EXPECT_TRUE(has(said, "predicted, weak on 64 ranks")) << said;
  EXPECT_TRUE(has(said, "predicted, strong on 64 ranks")) << said;
  EXPECT_TRUE(has(text, "Scaling of &lt;small&gt;"));
  EXPECT_TRUE(has(text, "slowest is rank <b>1</b> on <b>n2</b>"));
  EXPECT_TRUE(has(text, "class=\"stack\" role=\"img\" aria-label=\"work 10.00, communication"));
  EXPECT_TRUE(has(text, "every size of the plan was measured"));
  EXPECT_FALSE(has(text, "http://") && has(text, "src=\"http"));
  const std::string ranks = read_text_file(folder.scratch / "page_data/ranks.csv");
  EXPECT_EQ(std::count(ranks.begin(), ranks.end(), '\n'), 1 + 2 * (1 + 2 + 4 + 8));
  for (const char* csv : {"steps", "scaling_efficiency", "scaling_step", "scaling_busbw_start_all_reduce"}) {
    EXPECT_TRUE(std::filesystem::exists(folder.scratch / fmt::format("page_data/{}.csv", csv))) << csv;
  }
}

TEST(ScalingReport, WithoutAPageAndWithWrongWords) {
  const Folder folder({1, 2});
  std::ostringstream out, err;
  EXPECT_EQ(report_command({"--scaling", folder.scratch.path()}, out, err), 0);
  EXPECT_NE(out.str().find("not checked on a larger size"), std::string::npos);
  EXPECT_EQ(report_command({"--scaling", folder.scratch.path(), "--predict-ranks", "0"}, out, err), 2);
  EXPECT_EQ(report_command({"--predict-ranks", "8"}, out, err), 2);
  EXPECT_NE(err.str().find("--predict-ranks goes with --scaling"), std::string::npos);
  append_line(folder.scratch / "n2x1.jsonl", "{");
  EXPECT_EQ(report_command({"--scaling", folder.scratch.path()}, out, err), 3);
}

}  // namespace
}  // namespace clip_hpc
