#include "clip_hpc/config/arguments.hpp"

#include <gtest/gtest.h>

#include "tests/expect_error.hpp"

namespace clip_hpc {
namespace {

struct Words {
  std::string name = "a";
  bool dry = false;
  std::int64_t count = 2, watch = 0;
  std::vector<std::string> runs;
  std::optional<double> rate;
};

struct Table {
  Table() {
    table.add("name", words.name, "a name");
    table.add("dry-run", words.dry, "nothing is done");
    table.add("count", words.count, "so many", at_least(1));
    table.add("runs", words.runs, "folders");
    table.add("rate", words.rate, "of a GPU");
    table.add_implicit("watch", words.watch, 10, "seconds", at_least(0));
  }
  bool parse(const std::vector<std::string>& arguments) { return table.parse(arguments); }
  Words words;
  ArgumentTable table;
};

TEST(Arguments, FieldsKeepTheirDefaultsAndTakeWhatIsGiven) {
  Table none;
  EXPECT_TRUE(none.parse({}));
  EXPECT_EQ(none.words.name, "a");
  EXPECT_EQ(none.words.count, 2);
  EXPECT_FALSE(none.words.rate);
  EXPECT_FALSE(none.table.given("count"));
  Table all;
  EXPECT_TRUE(all.parse({"--name", "b", "--dry-run", "--count=3", "--runs", "x", "y", "--rate", "2.5"}));
  EXPECT_EQ(all.words.name, "b");
  EXPECT_TRUE(all.words.dry);
  EXPECT_EQ(all.words.count, 3);
  EXPECT_EQ(all.words.runs, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(all.words.rate, 2.5);
  EXPECT_TRUE(all.table.given("count"));
}

TEST(Arguments, AnImplicitValueNeedsNoWord) {
  Table bare, valued;
  bare.parse({"--watch"});
  EXPECT_EQ(bare.words.watch, 10);
  valued.parse({"--watch", "3"});
  EXPECT_EQ(valued.words.watch, 3);
}

TEST(Arguments, HelpAndMistakes) {
  Table help;
  EXPECT_FALSE(help.parse({"--help"}));
  EXPECT_NE(help.table.help("usage").find("--dry-run"), std::string::npos);
  const auto refuses = [](const std::vector<std::string>& arguments, const char* words) {
    test::expect_error(ErrorKind::input, {words}, [&] { Table().parse(arguments); });
  };
  refuses({"--nam", "b"}, "--help lists the options");
  refuses({"--count", "0"}, "--count must be at least 1, got 0");
  refuses({"--watch=-1"}, "--watch must be at least 0");
  refuses({"stray"}, "--help lists the options");
}

}  // namespace
}  // namespace clip_hpc
