#include "figures.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cmath>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "html.hpp"
#include "run/scratch.hpp"

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

}  // namespace
}  // namespace clip_hpc
