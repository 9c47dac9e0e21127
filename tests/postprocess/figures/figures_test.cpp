#include "postprocess/figures/figures.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "postprocess/read/number_text.hpp"
#include "tests/expect_error.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

Figure small_figure() {
  Figure figure;
  figure.id = "loss";
  figure.title = "A \"loss\" <figure>";
  figure.y_name = "loss";
  figure.series = {{"run 'a' <b> `touch /x`", {0, 1000, 2000, 3000}, {3, std::nan(""), 2, 1}, 0, false, true}};
  figure.lines = {{"chance", 2.5, false}};
  return figure;
}

std::size_t count_of(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST(Html, EscapesAndEncodes) {
  EXPECT_EQ(escape_html("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
  // RFC 4648, section 10
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foo"), "Zm9v");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
}

TEST(Html, NumbersAsPeopleReadThem) {
  EXPECT_EQ(show_percent(0.4235), "42.4\u00a0%");
  EXPECT_EQ(show_percent(std::nan("")), "–");
  EXPECT_EQ(show_count(9999), "9999");
  EXPECT_EQ(show_count(1'234'567), "1.23\u00a0M");
  EXPECT_EQ(show_duration(3), "3.0\u00a0s");
  EXPECT_EQ(show_duration(200), "3\u00a0min\u00a020\u00a0s");
  EXPECT_EQ(show_duration(3 * 3600 + 300), "3\u00a0h\u00a005\u00a0min");
  EXPECT_EQ(show_bytes(3LL << 29), "1.5\u00a0GiB");
  EXPECT_EQ(show_bytes(0), "–");
}

TEST(Figures, SvgStandsInsideHtml) {
  const std::string svg = draw_svg(small_figure(), find_gnuplot());
  EXPECT_TRUE(svg.starts_with("<svg role=\"img\" aria-label=\"A &quot;loss&quot; &lt;figure&gt;\""));
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
  EXPECT_NE(svg.find("run 'a' &lt;b> `touch /x`"), std::string::npos);  // as it is: nothing ran, nothing broke out
  EXPECT_EQ(svg.find("<b"), std::string::npos);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_NE(svg.find("chance"), std::string::npos);
  EXPECT_EQ(svg.find("<?xml"), std::string::npos);
}

TEST(Figures, LogAxisLongLinesAndPercent) {
  Figure figure = small_figure();
  figure.log_x = true;
  figure.percent = true;
  Series longer{"long", {}, {}, 1, false, false};
  for (int i = 0; i < 5000; ++i) {
    longer.x.push_back(i * 1e6);
    longer.y.push_back(i == 2500 ? 0.9 : 0.1);
  }
  figure.series.push_back(longer);
  const std::string svg = draw_svg(figure, find_gnuplot());
  EXPECT_LT(svg.size(), 100'000U);
  EXPECT_NE(svg.find("(billions)"), std::string::npos);
  figure.smooth = true;
  EXPECT_LT(draw_svg(figure, find_gnuplot()).size(), svg.size());
  EXPECT_EQ(count_of(csv_of(figure), "\n"), 1U + 4U + 5000U + 1U);  // the CSV leaves nothing out
}

TEST(Figures, CsvQuotesNamesAndLeavesGapsEmpty) {
  Figure figure = small_figure();
  figure.series[0].name = "a \"b\", c";
  EXPECT_EQ(csv_of(figure),
            "series,\"samples seen\",\"loss\"\n\"a \"\"b\"\", c\",0,3\n\"a \"\"b\"\", c\",1000,\n"
            "\"a \"\"b\"\", c\",2000,2\n\"a \"\"b\"\", c\",3000,1\n\"chance\",,2.5\n");
}

TEST(Figures, AFailingGnuplotIsAnErrorWithItsWords) {
  const Scratch scratch;
  const auto broken = scratch / "gnuplot";
  write_file_atomic(broken, "#!/bin/sh\necho no such terminal >&2\nexit 1\n");
  std::filesystem::permissions(broken, std::filesystem::perms::owner_all);
  try {
    draw_svg(small_figure(), broken);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::storage);
    EXPECT_NE(std::string(error.what()).find("no such terminal"), std::string::npos);
  }
}

Figure bars() {
  Figure figure;
  figure.id = "bars";
  figure.y_name = "accuracy";
  figure.percent = true;
  figure.categories = {"10M", "25M"};
  figure.series = {{"Ti", {0, 1}, {0.1, 0.2}, 0}, {"L", {0, 1}, {0.05, 0.4}, 1}};
  figure.series[0].spread = {0.01, 0};
  return figure;
}

TEST(Figures, GroupedBarsAndErrorBars) {
  const std::string svg = draw_svg(bars(), find_gnuplot());
  for (const char* word : {">10M<", ">25M<", ">Ti<", ">L<", "accuracy (%)"}) {
    EXPECT_NE(svg.find(word), std::string::npos) << word;
  }
  EXPECT_EQ(csv_of(bars()),
            "series,\"samples seen\",\"accuracy\",\"± accuracy\"\n\"Ti\",\"10M\",0.1,0.01\n"
            "\"Ti\",\"25M\",0.2,0\n\"L\",\"10M\",0.05,\n\"L\",\"25M\",0.4,\n");
  Figure without = bars();
  without.series[0].spread.clear();
  const auto lines = [](const std::string& text) { return count_of(text, "<path"); };
  EXPECT_EQ(lines(svg), lines(draw_svg(without, find_gnuplot())) + 1) << "one error bar";
  EXPECT_EQ(csv_of(without).find("±"), std::string::npos);
}

TEST(Figures, LogarithmicAxesHaveMarksThatCanBeRead) {
  Figure figure = small_figure();
  figure.lines.clear();
  figure.log_x = figure.log_y = figure.percent = true;
  figure.ticks = Ticks::counts;
  figure.series = {{"a", {1e7, 2.5e7, 5e7, 1e8, 2e8, 4e8, 8e8, 1e9, 3.4e9}, {}, 0, false, true}};
  for (const double x : figure.series[0].x) figure.series[0].y.push_back(0.3 + 1e7 / x * 0.5);
  std::string svg = draw_svg(figure, find_gnuplot());
  for (const char* mark : {">10M<", ">100M<", ">1B<", " 40<", " 50<", " 80<"}) {
    EXPECT_NE(svg.find(mark), std::string::npos) << mark;
  }
  figure.ticks = Ticks::powers;
  EXPECT_NE(draw_svg(figure, find_gnuplot()).find(">10⁸<"), std::string::npos);
  figure.ticks = Ticks::units;
  figure.series[0].x = {2, 4, 8, 16, 32};
  figure.series[0].y = {0.41, 0.405, 0.402, 0.4005, 0.4};  // less than an octave: even steps
  svg = draw_svg(figure, find_gnuplot());
  for (const char* mark : {">2<", ">4<", ">8<", ">16<", ">32<"}) {
    EXPECT_NE(svg.find(mark), std::string::npos) << mark;
  }
  for (const char* mark : {" 40<", " 40.5<", " 41<"}) EXPECT_NE(svg.find(mark), std::string::npos) << mark;
}

TEST(Figures, CountsAreShort) {
  EXPECT_EQ(short_count(25e6), "25M");
  EXPECT_EQ(short_count(3.4e9), "3.4B");
  EXPECT_EQ(short_count(28907), "28.9k");
  EXPECT_EQ(short_count(512), "512");
}

TEST(Figures, OneThatFailsCostsItselfAlone) {
  const Scratch scratch;
  Figure nothing = small_figure();  // no series: gnuplot refuses it
  nothing.id = "nothing";
  nothing.series.clear();
  nothing.lines.clear();
  std::vector<Figure> figures{small_figure(), nothing, bars(), nothing, small_figure()};
  figures[3].id = "nothing_more";
  figures[4].id = "last";
  const std::vector<Format> formats{Format::png, Format::pdf};
  const std::vector<Drawing> drawings = draw_figures(figures, find_gnuplot(), formats, scratch.path());
  ASSERT_EQ(drawings.size(), 5U);
  for (const std::size_t i : {0U, 2U, 4U}) {
    EXPECT_TRUE(drawings[i].problem.empty()) << drawings[i].problem;
    EXPECT_TRUE(drawings[i].svg.ends_with("</svg>\n\n") || drawings[i].svg.find("</svg>") != std::string::npos);
    EXPECT_TRUE(read_text_file(scratch / (figures[i].id + ".png")).starts_with("\x89PNG\r\n"));
    EXPECT_TRUE(read_text_file(scratch / (figures[i].id + ".pdf")).starts_with("%PDF-"));
  }
  for (const std::size_t i : {1U, 3U}) {
    EXPECT_NE(drawings[i].problem.find("gnuplot failed"), std::string::npos) << drawings[i].problem;
    EXPECT_FALSE(std::filesystem::exists(scratch / (figures[i].id + ".png")));
  }
}

TEST(Figures, ATerminalThatIsMissingIsNamedWithItsPackage) {
  check_formats(find_gnuplot(), std::vector{Format::svg, Format::png, Format::pdf});
  const Scratch scratch;
  const auto poor = scratch / "gnuplot";
  write_file_atomic(poor, "#!/bin/sh\ngrep -q cairo \"$2\" && exit 1\nexit 0\n");
  std::filesystem::permissions(poor, std::filesystem::perms::owner_all);
  check_formats(poor, std::vector{Format::svg});
  test::expect_error(ErrorKind::input, {"no terminal pdfcairo", "gnuplot-nox", "leave pdf out"},
                     [&] { check_formats(poor, std::vector{Format::pdf}); });
  test::expect_error(ErrorKind::input, {"jpg"}, [] { format_of("jpg"); });
}

}  // namespace
}  // namespace clip_hpc
