#include "clip_hpc/study/collect.hpp"

#include <sstream>

#include "clip_hpc/run/results.hpp"
#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(Collect, ASharedCellStandsUnderEachOfItsPoints) {
  const Project project;
  const StudyFolder study{project.scratch / "study"};
  write_study(
      study,
      project.plan("[axis length]\none = train.epochs=1\nsame = train.samples=1000\n[axis seed]\nrun.seed = 0 1\n"));
  study.run("one_0").create();
  Result result;
  result.dataset = "a,b";
  result.metrics = {{"acc1", 0.5}, {"acc5", 0.75}};
  result.step = 20;
  result.n = 10;
  result.chance = 0.1;
  append_result(study.run("one_0").results_file(), result);
  const StudyTable table = collect_study(study);
  ASSERT_EQ(table.json["cells"].size(), 2U);
  EXPECT_EQ(table.json["cells"][0]["results"][0]["metrics"]["acc5"], 0.75);
  EXPECT_TRUE(table.json["cells"][1]["results"].empty());
  std::istringstream stream(table.csv);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 5U);  // a head, two points with two metrics each
  EXPECT_PRED2(starts_with, lines[0], "cell,grid,length,seed,state,set_samples");
  EXPECT_PRED2(starts_with, lines[1], "one_0,all,one,0,missing,1000,1,1000,0,");
  EXPECT_PRED2(contains, lines[1], ",20,\"a,b\",,zeroshot_classification,,acc1,0.5,10,0.1");
  EXPECT_PRED2(starts_with, lines[3], "one_0,all,same,0,");
  EXPECT_TRUE(table.json["cells"][0]["energy_j"].is_null());
}

}  // namespace
}  // namespace clip_hpc
