// A program that reads a part of a run's config.cfg does not have to know the rest of it.
#include "clip_hpc/config/option_table.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

struct Options {
  std::vector<std::string> data{"none"};
  std::string view = "resize", templates = "forms.txt";
  std::int64_t pictures = 24;
};

class OtherSectionsPassedOver : public testing::Test {
 protected:
  Options read(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    write_file_atomic(folder_ / "config.cfg", text);
    Options options;
    OptionTable table;
    table.add("eval.data", options.data, "");
    table.add("eval.view", options.view, "");
    table.add("eval.templates", options.templates, "");
    table.add("eval.pictures", options.pictures, "", at_least(0));
    table.parse({folder_ / "config.cfg"}, overrides, OtherSections::pass_over);
    return options;
  }
  Scratch folder_;
};

constexpr const char* kConfig = R"([run]
name = letters
[eval]
data = one/test
data = two/test
view = eval
templates = 
[later]
key = of a newer version
)";

TEST_F(OtherSectionsPassedOver, ItsOwnSectionsAreRead) {
  const Options options = read(kConfig);
  EXPECT_EQ(options.data, (std::vector<std::string>{"one/test", "two/test"}));
  EXPECT_EQ(options.view, "eval");
  EXPECT_EQ(options.templates, "");
  EXPECT_EQ(options.pictures, 24);
}

TEST_F(OtherSectionsPassedOver, OverridesComeOnTop) {
  const Options options = read(kConfig, {"eval.data=three/test", "eval.pictures=3"});
  EXPECT_EQ(options.data, std::vector<std::string>{"three/test"});
  EXPECT_EQ(options.pictures, 3);
  EXPECT_EQ(options.view, "eval");
}

TEST_F(OtherSectionsPassedOver, WhatIsWrongIsNamed) {
  const auto refuses = [&](const std::string& text, const std::string& word) {
    try {
      read(text);
      FAIL() << "accepted: " << text;
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::input);
      EXPECT_NE(std::string(problem.what()).find(word), std::string::npos) << problem.what();
    }
  };
  refuses("[eval]\nvieww = eval\n", "did you mean \"eval.view\"");
  refuses("[eval]\npictures = -1\n", "eval.pictures must be at least 0");
  refuses("no assignment\n", "config.cfg");
}

}  // namespace
}  // namespace clip_hpc
