#include "postprocess/read/config_diff.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "postprocess/sections/config_section.hpp"
#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

bool shows(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Entry entry(const std::string& name, const std::string& config) {
  Entry one;
  one.name = name;
  one.config = read_config(config);
  return one;
}

TEST(ConfigDiff, WhatIsCommonStandsOnceAndTheRestByRun) {
  const ConfigDiff diff = diff_configs(std::vector<Entry>{
      entry("a", "[run]\nname = a\ndir = x\n[optim]\nlr = 1e-3\nbeta2 = 0.98\n[data]\ntrain = p\ntrain = q\n"),
      entry("b", "[run]\nname = b\ndir = y\n[optim]\nlr = 5e-4\nbeta2 = 0.98\n[data]\ntrain = p\ntrain = q\n"),
      entry("none", ""),
      entry("c", "[run]\nname = c\n[optim]\nlr = 1e-3\nbeta2 = 0.98\nema = 0.9\n[data]\ntrain = p\n")});
  EXPECT_EQ(diff.runs, (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(diff.common, (Config{{"optim.beta2", "0.98"}}));
  ASSERT_EQ(diff.keys.size(), 3U);  // names and folders of runs do not count
  EXPECT_EQ(diff.keys[0].name, "data.train");
  EXPECT_EQ(diff.keys[0].values, (std::vector<std::string>{"p\nq", "p"}));
  EXPECT_EQ(diff.keys[1].name, "optim.ema");
  EXPECT_EQ(diff.keys[1].of_run, (std::vector<int>{-1, -1, 0}));
  EXPECT_EQ(diff.keys[2].name, "optim.lr");
  EXPECT_EQ(diff.keys[2].of_run, (std::vector<int>{0, 1, 0}));
}

TEST(ConfigDiff, FewRunsAreColumnsManyAreRows) {
  std::vector<Entry> entries;
  for (int i = 0; i < 13; ++i) {
    entries.push_back(entry(fmt::format("run{}", i), fmt::format("[optim]\nlr = {}\n", i)));
  }
  EXPECT_TRUE(
      shows(config_section(diff_configs(entries)), "<th scope=\"row\">run12</th><td class=\"text\" data-v=\"12\">12"));
  entries.resize(2);
  EXPECT_TRUE(shows(config_section(diff_configs(entries)), "<th scope=\"row\">optim.lr</th>"));
  EXPECT_EQ(config_section(diff_configs({})), "");
}

TEST(ConfigDiff, OfManyKeysEachRunListsWhatIsUnusual) {
  std::string usual = "[x]\n";
  for (int key = 0; key < 20; ++key) usual += fmt::format("k{} = 1\n", key);
  std::vector<Entry> entries;
  for (int i = 0; i < 20; ++i) entries.push_back(entry(fmt::format("run{}", i), usual));
  for (int i = 0; i < 20; ++i) entries[static_cast<std::size_t>(i)].config[fmt::format("x.k{}", i)] = "<2>";
  const std::string text = config_section(diff_configs(entries));
  EXPECT_TRUE(shows(text, "<th scope=\"row\">run7</th><td class=\"text\">x.k7 = &lt;2&gt;</td>"));
}

TEST(ConfigDiff, HostileValuesNeitherEndTheDataNorBecomeElements) {
  const std::string text = config_section(diff_configs(std::vector<Entry>{
      entry("a", "[run]\nseed = </script><script>alert(1)</script>\n"), entry("<i>b</i>", "[run]\nseed = <!--\n")}));
  EXPECT_FALSE(shows(text, "<script>"));
  EXPECT_FALSE(shows(text, "<!--"));
  EXPECT_FALSE(shows(text, "<i>"));
  const std::string start = "<script type=\"application/json\" id=\"configs\">";
  const auto at = text.find(start) + start.size();
  const Json data = Json::parse(text.substr(at, text.find("</script>") - at));
  EXPECT_EQ(data["keys"][0]["values"][0], "</script><script>alert(1)</script>");
  EXPECT_EQ(data["runs"][1], "<i>b</i>");
}

TEST(ConfigDiff, WhatIsNoConfigurationIsNamed) {
  test::expect_error(ErrorKind::storage, {"is no configuration"}, [] { read_config("[run\nname"); });
}

}  // namespace
}  // namespace clip_hpc
