#include "clip_hpc/study/folder.hpp"

#include <chrono>

#include "clip_hpc/base/lease.hpp"
#include "clip_hpc/study/collect.hpp"
#include "tests/expect_error.hpp"

#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kHalves = "[axis data]\nfull =\nhalf = study.count=500\n[eval]\nwords = --data x\n";

struct Written : Project {
  explicit Written(const std::string& text = kHalves) : study{scratch / "study"} { write_study(study, plan(text)); }
  StageStatus status(const std::string& cell) const {
    return read_stage(study, {.name = cell, .size_class = "", .not_yet = "", .samples = 1000, .task = 1}, "train");
  }
  void leave_lease(const std::string& cell, double lasts_s) const {  // of a runner on another machine
    const Json lease{{"host", "n1"},     {"pid", 99},      {"job", "7_1"}, {"restart", "0"},
                     {"space", "of n1"}, {"started", "1"}, {"token", "t"}, {"lasts_s", lasts_s}};
    write_json_file(study.lease(cell), lease);
  }
  void say(const std::string& cell, const std::string& json) const {
    write_file_atomic(study.state_file(cell, "train"), json);
  }
  StudyFolder study;
};

TEST(StudyFolder, HoldsWhatACellNeeds) {
  const Written project;
  EXPECT_EQ(read_text_file(project.study.cells_file()), "full\nhalf\n");
  const std::string config = read_text_file(project.study.cell("half") / "config.cfg");
  EXPECT_PRED2(contains, config, "name = half\n");
  EXPECT_PRED2(contains, config, "subset = " + project.study.subset_file("500").native() + "\n");
  EXPECT_FALSE(contains(read_text_file(project.study.cell("full") / "config.cfg"), "subset"));
  EXPECT_EQ(read_text_file(project.study.path / "eval.words"), "--data x\n");
  const std::string prepare = read_text_file(project.study.prepare_script());
  EXPECT_PRED2(contains, prepare, "--count 500 --output " + project.study.subset_file("500").native() + ".part");
  const PlannedStudy planned = read_study(project.study);
  EXPECT_EQ(planned.stages, (std::vector<std::string>{"train", "eval"}));
  ASSERT_EQ(planned.cells.size(), 2U);
  EXPECT_EQ(planned.cells[1].task, 2);
  EXPECT_THROW(read_study({project.scratch / "nowhere"}), Error);
}

// plan.json is read by all commands: what is wrong in it is a fault of storage that names it.
TEST(StudyFolder, AnotherPlanThanWasWrittenIsNamed) {
  const Written project;
  const Json good = read_json_file(project.study.plan_file());
  const auto fails = [&](const Json& plan) {
    write_json_file(project.study.plan_file(), plan);
    test::expect_error(ErrorKind::storage, {"plan.json", "clip_study plan"}, [&] { collect_study(project.study); });
  };
  fails(Json::array());
  fails({{"study", 3}});
  for (const char* key : {"study", "stages", "classes", "cells", "axes", "attempts"}) {
    Json other = good;
    other[key] = "words";
    if (std::string(key) == "study") other[key] = Json::array();
    fails(other);
  }
  for (const char* key : {"name", "class", "samples", "macs", "points"}) {
    Json other = good;
    other["cells"][0][key] = Json::array({Json::object()});
    fails(other);
  }
  for (const char* name : {"..", ".", "../elsewhere"}) {
    Json other = good;
    other["cells"][0]["name"] = name;
    fails(other);
  }
}

TEST(StudyFolder, APlanThatIsNestedTooDeepIsDamaged) {
  const Written project;
  write_file_atomic(project.study.plan_file(), std::string(300000, '['));
  test::expect_error(ErrorKind::storage, {"plan.json", "nested deeper than"}, [&] { read_study(project.study); });
}

TEST(StudyFolder, ALargerGridAddsLinesAndKeepsTheOthers) {
  const Written project;
  write_study(project.study, project.plan("[axis data]\nthird = study.count=300\nhalf = study.count=500\nfull =\n"));
  EXPECT_EQ(read_text_file(project.study.cells_file()), "full\nhalf\nthird\n");
  EXPECT_EQ(read_study(project.study).cells[0].task, 3);
}

TEST(StudyFolder, ACellThatHasBegunKeepsItsConfiguration) {
  const Written project;
  const Plan other = project.plan("[axis data]\nfull = optim.lr=5e-4\nhalf = study.count=500\n");
  project.say("half", R"({"state": "done"})");
  write_study(project.study, other);  // full has not begun
  EXPECT_PRED2(contains, read_text_file(project.study.cell("full") / "config.cfg"), "lr = 5e-4\n");
  project.say("full", R"({"state": "stopped"})");
  try {
    write_study(project.study, project.plan(kHalves));
    write_study(project.study, project.plan("[axis data]\nfull = optim.lr=1e-4\n"));
    FAIL() << "a cell that has begun was changed";
  } catch (const Error& problem) {
    EXPECT_EQ(problem.kind(), ErrorKind::input);
    EXPECT_PRED2(contains, problem.what(), "full has begun with another configuration");
  }
}

TEST(StageStatus, FollowsTheStateFile) {
  const Written project;
  EXPECT_EQ(project.status("full").state, StageState::missing);
  project.say("full", R"({"state": "done", "exit_code": 0})");
  EXPECT_EQ(project.status("full").state, StageState::done);
  project.say("full", R"({"state": "stopped", "exit_code": 75})");
  EXPECT_EQ(project.status("full").state, StageState::stopped);
  write_file_atomic(project.study.cell("full") / "train.log",
                    "x\nclip_hpc: bad input: first\nclip_hpc: storage: the disk is full\nsrun: error: n3: task 0: "
                    "Exited with exit code 3\n");
  project.say("full", R"({"state": "failed", "attempts": 1, "final": false, "exit_code": 3})");
  EXPECT_EQ(project.status("full").state, StageState::failed);
  EXPECT_EQ(project.status("full").reason, "clip_hpc: storage: the disk is full");
  EXPECT_EQ(project.status("full").attempts, 1);
  write_file_atomic(project.study.cell("full") / "train.log", "x\nsrun: error: n3: task 0: Out Of Memory\n");
  EXPECT_EQ(project.status("full").reason, "srun: error: n3: task 0: Out Of Memory");
  project.say("full", R"({"state": "failed", "attempts": 3, "final": true, "exit_code": 3})");
  EXPECT_EQ(project.status("full").state, StageState::given_up);
}

TEST(StageStatus, AStateThatCannotBeReadCostsItsCellAlone) {
  const Written project;
  for (const char* text : {"[]", "{", R"({"state": 5})", R"({"state": "done", "attempts": "many"})"}) {
    project.say("full", text);
    const StageStatus status = project.status("full");
    EXPECT_EQ(status.state, StageState::given_up) << text;
    EXPECT_NE(status.reason.find("train.json cannot be read: remove it"), std::string::npos) << status.reason;
  }
}

TEST(StageStatus, ALeaseThatIsNotRenewedMeansLost) {
  const Written project;
  project.say("full", R"({"state": "running", "job": "7_1", "host": "n1"})");
  EXPECT_EQ(project.status("full").state, StageState::lost);  // no lease at all
  {
    const Lease held(project.study.lease("full"), {.lasts_s = 20, .on_loss = {}});
    EXPECT_EQ(project.status("full").state, StageState::running);
  }
  EXPECT_EQ(project.status("full").state, StageState::lost);
  project.leave_lease("full", 20);
  EXPECT_EQ(project.status("full").state, StageState::running);  // of another machine, renewed just now
  project.leave_lease("full", -1);
  EXPECT_EQ(project.status("full").state, StageState::lost);
}

TEST(StageStatus, ProgressAndTimeLeftComeFromTheMetrics) {
  const Written project;
  project.say("full", R"({"state": "running"})");
  const Lease held(project.study.lease("full"), {});
  project.study.run("full").create();
  write_file_atomic(project.study.run("full").metrics_file(),
                    "{\"step\": 5, \"samples_seen\": 250, \"loss\": 1, \"samples_per_s\": 50}\n");
  const StageStatus status = project.status("full");
  EXPECT_DOUBLE_EQ(status.progress, 0.25);
  EXPECT_DOUBLE_EQ(status.eta_s, 15);
}

}  // namespace
}  // namespace clip_hpc
