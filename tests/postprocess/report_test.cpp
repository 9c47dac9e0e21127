#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>
#include <sstream>

#include "clip_hpc/base/file.hpp"
#include "postprocess/html/page_script.hpp"
#include "postprocess/report_command.hpp"
#include "tests/postprocess/synthetic_run.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

Outcome report(const std::vector<std::string>& arguments) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = report_command(arguments, out, err);
  return {code, out.str(), err.str()};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Report, OneRunTellsItsNumbers) {
  const Scratch scratch;
  make_run(scratch / "run_a");
  const auto page = scratch / "page.html";
  const Outcome outcome = report({"--runs", scratch / "run_a", "--output", page, "--title", "T <1> & 2"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string text = read_text_file(page);
  EXPECT_TRUE(has(text, "<h1>T &lt;1&gt; &amp; 2</h1>"));
  EXPECT_TRUE(has(text, "<div class=\"big\">20.0\u00a0%"));  // the newest accuracy is the headline
  EXPECT_TRUE(has(text, "best of 4 evaluations</dt><dd>61.6\u00a0%"));
  EXPECT_TRUE(has(outcome.out, "20.0\u00a0%"));  // and what the terminal shows
  EXPECT_TRUE(has(text, "</s>chance</dt><dd>2.0\u00a0%"));
  EXPECT_TRUE(has(text, "baseline (nearest pixels)</dt><dd>14.3\u00a0%"));
  EXPECT_TRUE(has(text, "2345"));
  EXPECT_TRUE(has(text, "2\u00a0h\u00a003\u00a0min"));  // 7400 s
  EXPECT_TRUE(has(text, "3.1\u00a0%"));                 // data wait
  EXPECT_TRUE(has(text, "7.2\u00a0%"));                 // comm wait
  EXPECT_TRUE(has(text, "<pre>[run]\nname = &lt;b&gt;bold &amp; brave&lt;/b&gt;"));
  EXPECT_FALSE(has(text, "<b>bold"));
  EXPECT_TRUE(has(text, "LibTorch</dt><dd>2.11.0"));
  EXPECT_TRUE(has(text, "Nothing: every run has"));
  EXPECT_TRUE(has(text, "<svg "));
  EXPECT_TRUE(outcome.out.ends_with(page.string() + ": 1 run, 8 figures\n")) << outcome.out;
}

TEST(Report, PicturesCarryTheirNamesAndMarks) {
  const Scratch scratch;
  make_run(scratch / "run_a");
  ASSERT_EQ(report({"--runs", scratch / "run_a", "--output", scratch / "page.html"}).code, 0);
  const std::string text = read_text_file(scratch / "page.html");
  EXPECT_TRUE(has(text, "data:image/png;base64,iVBORw0KGgo="));
  EXPECT_TRUE(has(text, "alt=\"cat &lt;i&gt;\""));
  EXPECT_TRUE(has(text, "class=\"pic right\"><span class=\"mark\" title=\"right\">✓"));
  EXPECT_TRUE(has(text, "class=\"pic wrong\"><span class=\"mark\" title=\"wrong\">✗"));
  EXPECT_TRUE(has(text, "1 of these 2 pictures named right"));
  EXPECT_TRUE(has(text, "<li class=\"hit\"><span>owl</span><b>30 %</b>"));
}

TEST(Report, NeedsNoNetworkAndWritesCsv) {
  const Scratch scratch;
  make_run(scratch / "run_a");
  ASSERT_EQ(report({"--runs", scratch / "run_a", "--output", scratch / "site"}).code, 0);
  const std::string text = read_text_file(scratch / "site" / "index.html");
  EXPECT_FALSE(has(text, "src=\"http"));
  EXPECT_TRUE(has(text, "; script-src " + page_script_hash() + "; "));  // one script may run, the page's own
  EXPECT_TRUE(has(text, std::string("<script>") + page_script() + "</script>"));
  EXPECT_EQ(text.find("<script"), text.rfind("<script"));
  EXPECT_FALSE(has(text, "<link"));
  EXPECT_TRUE(has(text, "href=\"index_data/loss.csv\""));
  const std::string csv = read_text_file(scratch / "site" / "index_data" / "loss.csv");
  EXPECT_TRUE(has(csv, "\"run_a\",6400,3.5\n"));
  const std::string accuracy =
      read_text_file(scratch / "site" / "index_data" / "zeroshot_classification_emoji_unseen.csv");
  EXPECT_TRUE(has(accuracy, "\"run_a\",19200,0.616\n"));
  EXPECT_TRUE(has(accuracy, "\"baseline: nearest pixels\",,0.143\n"));
}

TEST(Report, TwoRunsStandSideBySide) {
  const Scratch scratch;
  make_run(scratch / "runs/clip", 0.5);
  make_run(scratch / "runs/flip", 0.61);
  const Outcome outcome = report({"--runs", scratch / "runs", "--output", scratch / "page.html", "--log-x"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string text = read_text_file(scratch / "page.html");
  EXPECT_TRUE(has(text, "<h3>clip</h3>"));
  EXPECT_TRUE(has(text, "<h3>flip</h3>"));
  EXPECT_TRUE(has(text, "50.0\u00a0%"));
  EXPECT_TRUE(has(text, "61.0\u00a0%"));
  // The same run named twice is one; equal folder names are told apart by their parents.
  make_run(scratch / "other/flip", 0.4);
  const Outcome again = report(
      {"--runs", scratch / "runs/flip", scratch / "other", scratch / "runs/flip", "--output", scratch / "page.html"});
  EXPECT_TRUE(has(again.out, "2 runs"));
  EXPECT_TRUE(has(read_text_file(scratch / "page.html"), "<h3>other/flip</h3>"));
}

TEST(Report, AnUnfinishedRunSaysWhatIsMissing) {
  const Scratch scratch;
  const RunFolder run{scratch / "young"};
  run.create();
  write_file_atomic(run.config_file(), "[run]\n");
  const Outcome outcome = report({"--runs", run.path, "--output", scratch / "page.html"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const std::string text = read_text_file(scratch / "page.html");
  EXPECT_TRUE(has(text, "<b>young</b>: no evaluation yet (results.json is not there)"));
  EXPECT_TRUE(has(text, "<b>young</b>: no training curve (metrics.jsonl is not there)"));
  EXPECT_TRUE(has(text, "<b>young</b>: no provenance"));
  EXPECT_TRUE(has(text, "<b>young</b>: no checkpoint yet"));
  EXPECT_TRUE(has(text, "nothing to draw yet"));
}

TEST(Report, ABrokenFileCostsItsPartAndExitCode3) {
  const Scratch scratch;
  make_run(scratch / "runs/good");
  const RunFolder bad = make_run(scratch / "runs/bad");
  write_file_atomic(bad.results_file(), "[{");
  const RunFolder odd = make_run(scratch / "runs/odd");  // an event whose text is a number
  write_file_atomic(odd.metrics_file(),
                    read_text_file(odd.metrics_file()) + "{\"event\": \"evaluation_failed\", \"text\": 5}\n");
  const Outcome outcome = report({"--runs", scratch / "runs", "--output", scratch / "page.html"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_TRUE(has(outcome.err, "bad/results.json is not valid JSON"));
  EXPECT_TRUE(has(outcome.err, "odd/metrics.jsonl"));
  const std::string text = read_text_file(scratch / "page.html");
  EXPECT_TRUE(has(text, "bad/results.json is not valid JSON"));
  EXPECT_TRUE(has(text, "61.6\u00a0%"));
}

TEST(Report, PicturesOutsideTheRunFolderAreRefused) {
  const Scratch scratch;
  const RunFolder run = make_run(scratch / "run");
  write_file_atomic(scratch / "secret.png", std::string(kPngBytes) + "secret");
  std::filesystem::create_symlink(scratch / "secret.png", run.path / "pictures" / "link.png");
  Result result = read_results(run.results_file()).back();
  result.predictions.clear();
  for (const char* name : {"../secret.png", "pictures/link.png", "pictures/absent.png", "config.cfg"}) {
    result.predictions.push_back({name, "x", {"y"}, {0.5}});
  }
  append_result(run.results_file(), result);
  ASSERT_EQ(report({"--runs", run.path, "--output", scratch / "page.html"}).code, 0);
  const std::string text = read_text_file(scratch / "page.html");
  EXPECT_FALSE(has(text, "data:image"));
  EXPECT_TRUE(has(text, "../secret.png lies outside the run folder"));
  EXPECT_TRUE(has(text, "pictures/link.png lies outside the run folder"));
  EXPECT_TRUE(has(text, "pictures/absent.png is not there"));
  EXPECT_TRUE(has(text, "config.cfg is not a PNG, JPEG or WebP picture"));
}

TEST(Report, CommandLine) {
  const Scratch scratch;
  make_run(scratch / "run");
  const std::string page = scratch / "page.html";
  EXPECT_EQ(report({"--help"}).code, 0);
  EXPECT_TRUE(has(report({"--help"}).out, "examples:"));
  EXPECT_TRUE(has(report({"--version"}).out, "clip_report "));
  EXPECT_EQ(report({}).code, 2);
  EXPECT_TRUE(has(report({}).err, "--runs"));
  EXPECT_EQ(report({"--runs", scratch / "run"}).code, 2);
  EXPECT_EQ(report({"--runs", scratch / "absent", "--output", page}).code, 2);
  EXPECT_EQ(report({"--nonsense"}).code, 2);
  EXPECT_EQ(report({"stray"}).code, 2);
  std::filesystem::create_directories(scratch / "empty");
  const Outcome empty = report({"--runs", scratch / "empty", "--output", page});
  EXPECT_EQ(empty.code, 2);
  EXPECT_TRUE(has(empty.err, "holds no run folder"));
  write_file_atomic(scratch / "file", "");
  EXPECT_EQ(report({"--runs", scratch / "run", "--output", scratch / "file/page.html"}).code, 3);
  EXPECT_FALSE(std::filesystem::exists(page));
}

TEST(Report, WithoutGnuplotThePackageIsNamed) {
  const Scratch scratch;
  make_run(scratch / "run");
  const char* before = ::getenv("PATH");
  const std::string path = before == nullptr ? "" : before;
  ::setenv("PATH", scratch.path().c_str(), 1);
  const Outcome outcome = report({"--runs", scratch / "run", "--output", scratch / "page.html"});
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_TRUE(has(outcome.err, "gnuplot-nox"));
}

}  // namespace
}  // namespace clip_hpc
