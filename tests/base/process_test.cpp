#include "clip_hpc/base/process.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

TEST(Process, TellsOutputsAndExitCode) {
  const ProgramOutput done = run_program({"sh", "-c", "echo a; echo b >&2; exit 3"});
  EXPECT_TRUE(done.has_started);
  EXPECT_EQ(done.exit_code, 3);
  EXPECT_EQ(done.out, "a\n");
  EXPECT_EQ(done.err, "b\n");
}

TEST(Process, WordsReachTheProgramAsTheyAre) {
  EXPECT_EQ(run_program({"printf", "%s", "a 'b' $c *"}).out, "a 'b' $c *");
  EXPECT_EQ(run_program({"cat"}).out, "");  // nothing is read from here
  EXPECT_EQ(run_program({"sh", "-c", "kill -9 $$"}).exit_code, 128 + 9);
}

TEST(Process, AProgramThatIsNotThereIsNotStarted) { EXPECT_FALSE(run_program({"no-such-program-here"}).has_started); }

TEST(Process, ShellOutputIsWhatACommandPrints) { EXPECT_EQ(shell_output("echo a | tr a b"), "b\n"); }

}  // namespace
}  // namespace clip_hpc
