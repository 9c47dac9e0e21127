#include "clip_hpc/config/option_table.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

struct Example {
  double lr = 1e-3;
  std::int64_t steps = 10;
  bool fast = false;
  std::string name = "clip";
  std::vector<std::string> train;
};

class Options : public testing::Test {
 protected:
  Example example_;
  OptionTable table_;
  std::filesystem::path file_ = std::filesystem::temp_directory_path() / fmt::format("clip_hpc_opt_{}.cfg", getpid());
  void SetUp() override {
    table_.add("optim.lr", example_.lr, "learning rate", above(0.0));
    table_.add("train.steps", example_.steps, "steps", at_least(1));
    table_.add("train.fast", example_.fast, "fast");
    table_.add("strategy.name", example_.name, "strategy", one_of({"clip", "flip"}));
    table_.add("data.train", example_.train, "sets");
  }
  void TearDown() override { std::filesystem::remove(file_); }
  std::string failure(const std::vector<std::string>& overrides) {
    try {
      table_.parse({}, overrides);
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::input);
      return problem.what();
    }
    return "";
  }
};

TEST_F(Options, SetWinsOverFileWinsOverDefault) {
  write_file_atomic(file_, "[optim]\nlr = 0.5\n[train]\nsteps = 7\n[data]\ntrain = a\ntrain = b\n");
  table_.parse({file_}, {"train.steps=9"});
  EXPECT_EQ(example_.lr, 0.5);
  EXPECT_EQ(example_.steps, 9);
  EXPECT_EQ(example_.train, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(example_.name, "clip");
}

TEST_F(Options, OfSeveralSetsTheLastWinsAndListsTakeAll) {
  table_.parse({}, {"train.steps=9", "data.train=a", "train.steps=4", "data.train=b", "train.steps=5"});
  EXPECT_EQ(example_.steps, 5);
  EXPECT_EQ(example_.train, (std::vector<std::string>{"a", "b"}));
}

TEST_F(Options, AnEmptyValueTakesBackWhatAFileSays) {
  write_file_atomic(file_, "[strategy]\nname = flip\n[data]\ntrain = a\ntrain = b\n");
  table_.parse({file_}, {"data.train="});
  EXPECT_TRUE(example_.train.empty());
  EXPECT_EQ(failure({"train.steps="}).find("configuration: the argument for option 'train.steps'"), 0);
}

TEST_F(Options, DumpReadsBackEqual) {
  const std::vector<std::string> sets{"x", "/data/c#/x", "# y"};
  table_.parse({}, {"optim.lr=0.1", "train.fast=on", "data.train=x", "data.train=/data/c#/x", "data.train=# y"});
  write_file_atomic(file_, table_.dump());
  const std::string before = table_.dump();
  example_ = {};
  table_.parse({file_}, {});
  EXPECT_EQ(example_.lr, 0.1);
  EXPECT_TRUE(example_.fast);
  EXPECT_EQ(example_.train, sets);
  EXPECT_EQ(table_.dump(), before);
}

TEST_F(Options, UnknownKeyNamesTheNearest) {
  EXPECT_NE(failure({"optim.lrr=1"}).find("did you mean \"optim.lr\""), std::string::npos);
  write_file_atomic(file_, "[train]\nstep = 7\n");
  try {
    table_.parse({file_}, {});
    FAIL() << "an unknown key was accepted";
  } catch (const Error& problem) {
    EXPECT_NE(std::string(problem.what()).find("train.steps"), std::string::npos);
    EXPECT_NE(std::string(problem.what()).find(file_.native() + ":2: unknown key"), std::string::npos);
  }
}

TEST_F(Options, FilesAreReadAsBoostReadsThem) {
  write_file_atomic(file_, "optim.lr = 0.25  # before any section\n[train.]\nsteps=3\n[other]\n[data]\ntrain=\n");
  table_.parse({file_}, {});
  EXPECT_EQ(example_.lr, 0.25);
  EXPECT_EQ(example_.steps, 3);
  EXPECT_TRUE(example_.train.empty());
  for (const char* text : {"[train]\nsteps = 1\nsteps = 2\n", "[train]\nsteps\n", "[train\nsteps = 1\n",
                           "[ train ]\nsteps = 1\n", "[train]\n= 1\n", "[train]\nsteps = one\n"}) {
    write_file_atomic(file_, text);
    EXPECT_THROW(table_.parse({file_}, {}), Error) << text;
  }
}

TEST_F(Options, RangesAreCheckedAndNanIsRefused) {
  EXPECT_NE(failure({"optim.lr=nan"}), "");
  EXPECT_NE(failure({"optim.lr=-1"}), "");
  EXPECT_NE(failure({"train.steps=0"}), "");
  EXPECT_NE(failure({"train.steps=three"}), "");
  EXPECT_NE(failure({"strategy.name=slap"}).find("clip, flip"), std::string::npos);
  EXPECT_NE(failure({"train.steps"}).find("section.key=value"), std::string::npos);
}

}  // namespace
}  // namespace clip_hpc
