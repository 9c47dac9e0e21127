#include "postprocess/sections/confusion.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++n;
  return n;
}

// Sections of one run whose per_class folder holds this.
std::string sections(const Scratch& scratch, const std::string& bytes, std::vector<std::string>& problems) {
  RunRecord run;
  run.folder = RunFolder{scratch / "run"};
  run.name = "run";
  std::filesystem::create_directories(run.folder.path / "per_class");
  write_file_atomic(run.folder.path / "per_class" / "set_confusion.json", bytes);
  write_file_atomic(run.folder.path / "per_class" / "set.csv", "class,n\n");
  return confusion_sections({run}, problems);
}

TEST(Confusion, TellsTheWorstClassesAndTheirMistakes) {
  const Scratch scratch;
  std::vector<std::string> problems;
  const std::vector<std::string> names{"cat", "dog <b>", "fox"};
  const Json json = {{"dataset", "zoo/test"},
                     {"label", ""},
                     {"variant", ""},
                     {"step", 12},
                     {"truths", names},
                     {"names", names},
                     {"counts", {{0, 0, 9}, {0, 2, 1}, {1, 0, 3}, {1, 1, 1}, {1, 2, 4}, {2, 2, 5}}}};
  const std::string text = sections(scratch, json.dump(), problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_NE(text.find("run: zoo/test, step 12"), std::string::npos);
  EXPECT_NE(text.find("<tr><td>dog &lt;b&gt;</td><td>8</td><td>12.5\u00a0%</td><td>fox (4), cat (3)</td></tr>\n"
                      "<tr><td>cat</td><td>10</td><td>90.0\u00a0%</td><td>fox (1)</td></tr>\n</tbody>"),
            std::string::npos)
      << text;
  EXPECT_EQ(count(text, "<rect"), 6U + 1U);  // cells, frame
  EXPECT_EQ(count(text, "fill=\"#0b62a4\""), 3U);
  EXPECT_NE(text.find("fill=\"#c2410c\" fill-opacity=\"0.55\"><title>dog &lt;b&gt;: 4 of 8 named fox"),
            std::string::npos);
  EXPECT_NE(text.find("All 3 classes"), std::string::npos);
}

TEST(Confusion, OfManyClassesTheMostConfusedAreDrawn) {
  const Scratch scratch;
  std::vector<std::string> problems, names;
  Json counts = Json::array();
  for (int c = 0; c < 100; ++c) {
    names.push_back("class" + std::to_string(c));
    counts.push_back({c, c, 10});
    counts.push_back({c, (c + 1) % 100, c + 1});
  }
  const Json json = {{"dataset", "many"}, {"step", 1}, {"truths", names}, {"names", names}, {"counts", counts}};
  const std::string text = sections(scratch, json.dump(), problems);
  EXPECT_NE(text.find("most confused of 100 classes"), std::string::npos);
  EXPECT_NE(text.find(">class99</text>"), std::string::npos);
  EXPECT_EQ(text.find(">class50</text>"), std::string::npos);
  EXPECT_LE(count(text, "text-anchor=\"end\""), 25U);
  EXPECT_GE(count(text, "text-anchor=\"end\""), 20U);
}

TEST(Confusion, NoMistakeAndNoFile) {
  const Scratch scratch;
  std::vector<std::string> problems;
  EXPECT_EQ(confusion_sections({RunRecord{RunFolder{scratch / "none"}, "none", "", {}, {}, {}, {}, {}, {}}}, problems),
            "");
  const Json json = {{"dataset", "a"}, {"step", 1}, {"truths", {"x"}}, {"names", {"x"}}, {"counts", {{0, 0, 2}}}};
  EXPECT_NE(sections(scratch, json.dump(), problems).find("No mistake"), std::string::npos);
  EXPECT_TRUE(problems.empty());
}

TEST(Confusion, AFileThatIsNoneIsNamed) {
  const Scratch scratch;
  std::vector<std::string> problems;
  EXPECT_EQ(sections(scratch, R"({"dataset": "a", "step": 1, "truths": ["x"], "names": ["x"], "counts": [[0, 7, 2]]})",
                     problems),
            "");
  EXPECT_EQ(sections(scratch, "{\"dataset\": 3}", problems), "");
  ASSERT_EQ(problems.size(), 2U);
  EXPECT_NE(problems[0].find("set_confusion.json is no confusion matrix"), std::string::npos) << problems[0];
}

}  // namespace
}  // namespace clip_hpc
