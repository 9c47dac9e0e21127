#include "clip_hpc/study/energy.hpp"

#include <stdlib.h>

#include "clip_hpc/study/collect.hpp"
#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(Energy, AllocationsCountAndStepsWhereTheyHaveNone) {
  const auto energy = parse_energy(
      "12_1|500\n12_1.batch|480\n12_1.0|470\n"
      "12_1|100\n"  // before it was requeued
      "12_2|\n12_2.batch|300\n12_2.extern|310\n12_2.0|290\n"
      "12_3.batch|40\n12_3.0|30\n12_3.batch|60\n"  // requeued, and no line of the whole job
      "13|0\n13.batch|0\n14|18446744073709551614\nnonsense\n15|many\n");
  EXPECT_EQ(energy, (std::map<std::string, double>{{"12_1", 600}, {"12_2", 310}, {"12_3", 100}}));
  EXPECT_TRUE(parse_energy("").empty());
}

class SacctOnPath {  // a stand-in that writes down how it was called
 public:
  explicit SacctOnPath(const std::string& body) : before_(::getenv("PATH")) {
    write_file_atomic(scratch_ / "sacct", "#!/bin/sh\necho \"$@\" >>" + (scratch_ / "calls").native() + "\n" + body);
    std::filesystem::permissions(scratch_ / "sacct", std::filesystem::perms::owner_all);
    ::setenv("PATH", (scratch_.path().native() + ":" + before_).c_str(), 1);
  }
  ~SacctOnPath() { ::setenv("PATH", before_.c_str(), 1); }
  SacctOnPath(const SacctOnPath&) = delete;
  SacctOnPath& operator=(const SacctOnPath&) = delete;
  std::string calls() const { return read_text_file(scratch_ / "calls"); }

 private:
  Scratch scratch_;
  std::string before_;
};

struct Trained {
  Trained() {
    write_study(study, project.plan("[axis seed]\nrun.seed = 0 1\n"));
    write_file_atomic(study.cell("0") / "history.log",
                      "2026-11-25 10:00:00 train start job 12_1 restart 0 on n1\n"
                      "2026-11-25 11:00:00 train start job 12_1 restart 1 on n2\n"
                      "2026-11-25 12:00:00 train start job 40_1 restart 0 on n2\n"
                      "2026-11-25 12:30:00 train start job local restart 0 on n2\n"
                      "2026-11-25 13:00:00 eval start job 41_1 restart 0 on n2\n");
  }
  Project project;
  StudyFolder study{project.scratch / "study"};
};

TEST(Energy, CollectAddsWhatTheTrainingJobsConsumed) {
  const Trained trained;
  EXPECT_EQ(training_jobs(trained.study, "0"), (std::vector<std::string>{"12_1", "40_1"}));
  EXPECT_TRUE(training_jobs(trained.study, "1").empty());
  const SacctOnPath sacct("printf '12_1|1000\\n12_1|200\\n40_1|30.5\\n'\n");
  const StudyTable table = collect_study(trained.study);
  EXPECT_EQ(table.json["cells"][0]["energy_j"], 1230.5);
  EXPECT_TRUE(table.json["cells"][1]["energy_j"].is_null());
  EXPECT_PRED2(contains, sacct.calls(), "-j 12_1,40_1");
}

TEST(Energy, ASacctThatFailsIsNoError) {
  const Trained trained;
  const SacctOnPath sacct("echo 'Slurm accounting storage is disabled' >&2\nexit 1\n");
  EXPECT_TRUE(collect_study(trained.study).json["cells"][0]["energy_j"].is_null());
}

}  // namespace
}  // namespace clip_hpc
