#include "clip_hpc/study/slurm.hpp"

#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

using Status = std::map<std::pair<std::string, int>, StageStatus>;

PlannedStudy three_stages(int cells) {
  PlannedStudy planned;
  planned.name = "s";
  planned.stages = {"train", "eval", "probe"};
  planned.classes.emplace_back();
  planned.classes.back().name = "all";
  planned.classes.back().limit = 2;
  for (int i = 1; i <= cells; ++i) {
    planned.cells.push_back({fmt::format("c{}", i), "all", "", 100, i});
  }
  return planned;
}
Status all_in(const PlannedStudy& planned, StageState state) {
  Status status;
  for (const std::string& stage : planned.stages) {
    for (const PlannedCell& cell : planned.cells) status[{stage, cell.task}].state = state;
  }
  return status;
}

TEST(ArrayRanges, JoinNeighbours) {
  EXPECT_EQ(array_ranges({3, 1, 2, 7, 9, 10}), "1-3,7,9-10");
  EXPECT_EQ(array_ranges({5}), "5");
}

TEST(Queue, KnowsTheStudysOwnJobs) {
  const Scratch scratch;
  const StudyFolder study{scratch / "my.study"}, other{scratch / "other"};
  const std::string lines =
      fmt::format("12_3|RUNNING|{}\n12_4|PENDING|{}\n13_3|PENDING|{}\n14|RUNNING|{}\n15_3|RUNNING|{}\n9|RUNNING|bash\n",
                  job_name(study, "train", "all"), job_name(study, "train", "all"), job_name(study, "eval", "large"),
                  job_name(study, "prepare", "all"), job_name(other, "train", "all"));
  const Queue queue = parse_queue(study, lines);
  ASSERT_EQ(queue.size(), 4U);
  EXPECT_EQ(queue.at({"train", 3}).job, "12");
  EXPECT_EQ(queue.at({"train", 4}).state, "PENDING");
  EXPECT_EQ(queue.at({"eval", 3}).job, "13");
  EXPECT_EQ(queue.at({"prepare", 0}).job, "14");
}

TEST(Submission, EverythingAtFirstEachStageAfterTheOneBefore) {
  const PlannedStudy planned = three_stages(3);
  const auto all = plan_submission(planned, {}, all_in(planned, StageState::missing));
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].tasks, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(all[0].follows, -1);
  EXPECT_EQ(all[1].follows, 0);
  EXPECT_EQ(all[2].follows, 1);
}

TEST(Submission, OnlyWhatIsMissingOrFailed) {
  const PlannedStudy planned = three_stages(8);
  Status status = all_in(planned, StageState::missing);
  for (const char* stage : {"train", "eval", "probe"}) status[{stage, 1}].state = StageState::done;
  status[{"train", 2}].state = StageState::given_up;  // and so nothing after it
  status[{"train", 3}].state = StageState::failed;
  status[{"train", 4}].state = StageState::lost;
  status[{"train", 5}].state = StageState::running;  // by somebody on this machine
  status[{"train", 6}].state = StageState::stopped;  // preempted: Slurm has it
  status[{"train", 7}].state = StageState::done;
  const Queue queue{
      {{"train", 6}, {"40", "PENDING"}}, {{"train", 8}, {"41", "RUNNING"}}, {{"eval", 8}, {"42", "PENDING"}}};
  const auto all = plan_submission(planned, queue, status);
  const auto find = [&](const char* stage, int task) -> const Submission* {
    for (const Submission& one : all) {
      if (one.stage == stage && std::ranges::find(one.tasks, task) != one.tasks.end()) return &one;
    }
    return nullptr;
  };
  EXPECT_EQ(find("train", 3)->tasks, (std::vector<int>{3, 4}));
  for (const int task : {1, 2, 5, 6, 7, 8}) EXPECT_EQ(find("train", task), nullptr) << task;
  EXPECT_EQ(find("eval", 2), nullptr);
  EXPECT_EQ(find("eval", 5), nullptr);
  EXPECT_EQ(find("eval", 3)->follows, 0);
  EXPECT_EQ(find("eval", 6)->after, "40");
  EXPECT_EQ(find("eval", 7)->after, "");
  EXPECT_EQ(find("eval", 7)->follows, -1);
  EXPECT_EQ(find("eval", 8), nullptr);
  EXPECT_EQ(find("probe", 8)->after, "42");
  EXPECT_NE(find("probe", 7)->follows, find("probe", 3)->follows);  // two arrays of eval

  const Scratch scratch;
  const std::string script = submit_script({scratch / "s"}, planned, all, "submit");
  EXPECT_PRED2(contains, script, "--array=3-4%2");
  EXPECT_PRED2(contains, script, "--dependency=afterok:$prepare");
  EXPECT_PRED2(contains, script, "--dependency=aftercorr:$train_all ");
  EXPECT_PRED2(contains, script, "--dependency=aftercorr:40 ");
  EXPECT_PRED2(contains, script, "--dependency=aftercorr:$eval_all_");
  write_file_atomic(scratch / "submit.sh", script);
  EXPECT_EQ(std::system(fmt::format("bash -n '{}'", (scratch / "submit.sh").native()).c_str()), 0);
}

TEST(Submission, NothingWhenAllIsDoneOrQueued) {
  const PlannedStudy planned = three_stages(2);
  EXPECT_TRUE(plan_submission(planned, {}, all_in(planned, StageState::done)).empty());
  Queue queue;
  for (const std::string& stage : planned.stages) {
    for (const int task : {1, 2}) queue[{stage, task}] = {"5", "PENDING"};
  }
  EXPECT_TRUE(plan_submission(planned, queue, all_in(planned, StageState::missing)).empty());
}

}  // namespace
}  // namespace clip_hpc
