// Recommendations, first of all from the curves of Scaling (Down) CLIP: what the paper concluded must come out again.
#include "postprocess/fit/recommend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "postprocess/figures/study_figures.hpp"
#include "postprocess/report_command.hpp"
#include "postprocess/sections/advice.hpp"
#include "tests/expect_error.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

std::filesystem::path curves() {
  return std::filesystem::path(std::getenv("CLIP_HPC_SOURCE_DIR")) / "postprocess/paper";
}

StudyMeasure paper(const std::vector<std::string>& figures, const std::string& metric = "imagenet_zeroshot") {
  for (const StudyMeasure& one : read_curves(curves(), figures)) {
    if (one.name == metric) return one;
  }
  throw std::out_of_range(metric);
}

Recommendation of(const std::vector<SeriesFit>& series, double gmacs, double data) {
  Budget budget;
  budget.gmacs = gmacs;
  budget.data = data;
  return recommend(series, budget);
}

// Fig. 8b: Ti/16 up to 1.5e9 G multiply-adds, then B/32 (S/16 nearly equal) up to its end at 2e10, B/16 up to its end
// at 6.5e10, L/16 beyond.
TEST(Recommend, TheBestTowerAtEachComputeIsThePapers) {
  const auto series = fit_series(paper({"8b"}), 60);
  ASSERT_EQ(series.size(), 5U);
  const auto best = [&](double gmacs) { return of(series, gmacs, 3.4e9).choices.front().series->tower; };
  EXPECT_EQ(best(7e8), "ViT-Ti/16");
  EXPECT_EQ(best(1e9), "ViT-Ti/16");
  for (const double gmacs : {3e9, 1e10}) EXPECT_TRUE(best(gmacs) == "ViT-B/32" || best(gmacs) == "ViT-S/16") << gmacs;
  EXPECT_EQ(best(4e10), "ViT-B/16");
  EXPECT_EQ(best(6e10), "ViT-B/16");
  EXPECT_EQ(best(1.5e11), "ViT-L/16");
  for (const SeriesFit& one : series) {
    ASSERT_TRUE(one.fit && one.fit->held_out) << one.name;
    EXPECT_LT(one.fit->held_out->worst, 0.1) << one.name;
    EXPECT_GT(one.near_chance, 0U);
  }
  // With little data and much compute, L/16 leads from 50 M pairs on, and not at 10 M (Fig. 9a).
  const auto repeated = fit_series(paper({"9a"}), 60);
  EXPECT_EQ(of(repeated, 62.6 * 3.4e9, 200e6).choices.front().series->tower, "ViT-L/16");
}

// Figs. 5a, 5b: the best 40 % of the data win at equal samples; in one epoch the best 60 %, and 40 % beat the whole.
TEST(Recommend, TheBestShareOfTheDataIsThePapers) {
  const std::vector<std::string> lines = what_pays(paper({"5a", "5b"}));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[0].find("as many samples for each: 40 %"), std::string::npos) << lines[0];
  EXPECT_NE(lines[1].find("as many epochs for each: 60 %"), std::string::npos) << lines[1];
  EXPECT_NE(lines[1].find("40 % beats the whole with 40 %"), std::string::npos) << lines[1];
  const std::vector<std::string> retrieval = what_pays(paper({"7a", "7c"}, "coco_image_to_text"));
  for (const std::string& line : retrieval) EXPECT_NE(line.find(": 80 %"), std::string::npos) << line;
}

// Fig. 17a: augmentation is best at 50 M and 100 M pairs, SLIP at 10 M, and above 400 M all are equal.
TEST(Recommend, TheBestStrategyIsThePapers) {
  const auto series = fit_series(paper({"17a"}), 60);
  const auto at = [&](double data) {
    std::vector<std::pair<double, std::string>> errors;
    for (const SeriesFit& one : series) errors.emplace_back((*one.fit)(3.4e9, data), one.strategy);
    std::ranges::sort(errors);
    return errors;
  };
  EXPECT_EQ(at(10e6).front().second, "slip");
  EXPECT_EQ(at(50e6).front().second, "clip_aug");
  EXPECT_EQ(at(100e6).front().second, "clip_aug");
  EXPECT_LT(at(3.4e9).back().first - at(3.4e9).front().first, 0.02);
  std::string pays;
  for (const std::string& line : what_pays(paper({"17a"}))) pays += line + "\n";
  EXPECT_NE(pays.find("clip_aug against clip: better in 7 of 11 pairs, worse in 0"), std::string::npos) << pays;
  EXPECT_NE(pays.find("flip against clip: better in 3 of 11 pairs, worse in 4"), std::string::npos) << pays;
}

TEST(Recommend, ItSaysWhenItDoesNotKnow) {
  const auto series = fit_series(paper({"8b"}), 40);
  // A hundred times beyond the runs.
  const Recommendation far = of(series, 1e14, 1e12);
  EXPECT_TRUE(far.choices.empty());
  EXPECT_EQ(far.left_out.size(), 5U);
  EXPECT_NE(far.verdict.find("not enough runs"), std::string::npos);
  // Where two curves cross, neither is the winner.
  const Recommendation close = of(series, 1.5e9, 3.4e9);
  EXPECT_NE(close.verdict.find("no clear winner"), std::string::npos) << close.verdict;
  // With runs that repeat, too: one-epoch runs alone are not asked what repeats do.
  EXPECT_EQ(of(fit_series(paper({"8b", "9a"}), 20), 4e10, 3.4e9).choices.front().series->tower, "ViT-B/16");
  // Five shares of one set are no curves.
  const Recommendation few = of(fit_series(paper({"5a", "5b"}), 40), 1e10, 3.4e9);
  EXPECT_NE(few.verdict.find("not enough runs"), std::string::npos) << few.verdict;
  test::expect_error(ErrorKind::input, {"takes a budget"}, [&] { of(series, 0, 1e9); });
  test::expect_error(ErrorKind::input, {"--data"}, [&] { of(series, 1e9, 0); });
}

// The law that was used is named, with the reason, and how the others predict; a front over the towers stands beside.
TEST(Recommend, TheLawIsNamedWithItsReason) {
  AdviceOptions options;
  options.budget.gmacs = 6e10;
  options.data = "3.4B";
  const std::vector<StudyMeasure> measures{paper({"8b"})};
  const std::string text = advice_text(options, measures);
  for (const char* words :
       {"how each law predicts the largest runs from the others", "<- used", "used: ", "held-out points by",
        "openMaMMUT", "Goyal et al. 2024", "front of compute", "all 5 towers, clip", "at this budget"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  }
  options.law = "repeated";
  EXPECT_NE(advice_text(options, measures).find("used: repeated, as asked for"), std::string::npos);
  options.budget.gmacs = 1e14;
  EXPECT_NE(advice_text(options, measures).find("times beyond its runs: not told"), std::string::npos);
}

// At 6 times what B/32 was trained for, its longest run counts, and the rest of the budget is left.
TEST(Recommend, WhatLeavesSomeOfTheBudgetIsCompared) {
  StudyMeasure measure = paper({"8b"});
  std::erase_if(measure.points, [](const StudyPoint& p) { return p.tower == "ViT-B/32" && p.samples > 5e8; });
  const Recommendation found = of(fit_series(measure, 40), 6e10, 3.4e9);
  const auto small = std::ranges::find_if(found.choices, [](const Choice& c) { return c.series->tower == "ViT-B/32"; });
  ASSERT_NE(small, found.choices.end());
  EXPECT_GT(small->unspent, 0.5);
  EXPECT_LE(small->samples, 5e8);
  EXPECT_EQ(found.choices.front().unspent, 0);
}

// GPU hours need a speed: that of the runs, or an assumed one.
TEST(Recommend, GpuHoursGoByTheSpeedOfTheRuns) {
  StudyMeasure measure = paper({"8b"});
  Budget budget;
  budget.gpu_hours = 1000;
  budget.data = 3.4e9;
  EXPECT_NE(recommend(fit_series(measure, 20), budget).left_out.at(0).find("--tflops"), std::string::npos);
  budget.tflops = 200;
  const double samples = 1000 * 3600 * 200e12 / (6e9 * 5.69);
  const auto fitted = fit_series(measure, 20);
  for (const Choice& choice : recommend(fitted, budget).choices) {
    if (choice.series->tower == "ViT-B/32") {
      EXPECT_NEAR(choice.samples, std::min(samples, 3.4e9), 1e6);
    }
  }
  for (StudyPoint& point : measure.points) point.gpu_s_per_sample = 1e-3;
  for (const Choice& choice : recommend(fit_series(measure, 20), budget).choices)
    EXPECT_NEAR(choice.samples, 3.6e9, 2.1e8);
}

TEST(Recommend, ATableOfAStudyIsRead) {
  Json table = {{"cells", Json::array()}};
  for (const double set : {1e6, 4e6, 16e6, 64e6}) {
    for (const int seed : {0, 1}) {
      const double accuracy = 0.6 - 0.3 * std::pow(set / 1e6, -0.5) + 0.01 * seed;
      table["cells"].push_back(
          {{"points",
            {{{"grid", "all"}, {"labels", {{"tower", "S16"}, {"data", "x"}, {"strategy", "flip"}, {"seed", "0"}}}}}},
           {"fraction", 1.0},
           {"set_samples", set},
           {"macs", 6e9},
           {"samples_seen", set},
           {"measured_gpu_hours", set * 0.001 / 3600},
           {"results",
            {{{"dataset", "letters"},
              {"task", "zeroshot_classification"},
              {"step", 1},
              {"samples_seen", set / 2},
              {"metrics", {{"acc1", 0.1}}}},
             {{"dataset", "letters"},
              {"task", "zeroshot_classification"},
              {"step", 2},
              {"samples_seen", set},
              {"chance", 0.01},
              {"metrics", {{"acc1", accuracy}}}}}}});
    }
  }
  const auto measures = measures_of(table);
  ASSERT_EQ(measures.size(), 1U);
  EXPECT_EQ(measures[0].name, "letters zeroshot_classification acc1");
  EXPECT_NEAR(measures[0].chance_error, 0.99, 1e-12);
  ASSERT_EQ(measures[0].points.size(), 4U);  // seeds averaged, only the last step
  EXPECT_EQ(measures[0].points[0].runs, 2);
  EXPECT_NEAR(measures[0].points[0].spread, 0.005, 1e-9);
  EXPECT_NEAR(measures[0].points[0].gpu_s_per_sample, 0.001, 1e-12);
  const auto series = fit_series(measures[0], 20);
  ASSERT_EQ(series.size(), 1U);
  EXPECT_EQ(series[0].name, "S16, flip");
  ASSERT_TRUE(series[0].fit) << series[0].why_not;
  Budget budget;
  budget.gpu_hours = 16e6 * 0.001 / 3600;
  budget.data = 1e9;
  const Recommendation found = recommend(series, budget);
  EXPECT_NEAR(found.choices.at(0).error, 0.4 + 0.3 / 4 - 0.005, 0.01);
  EXPECT_NE(found.verdict.find("not enough runs to compare"), std::string::npos) << found.verdict;
  test::expect_error(ErrorKind::storage, {"clip_study collect"}, [&] {
    measures_of(Json{{"cells", {{{"points", 3}}}}});
  });
}

TEST(Recommend, BadCurvesAndWordsAreNamed) {
  const Scratch folder;
  test::expect_error(ErrorKind::storage, {"no CSV file"}, [&] { read_curves(folder.path()); });
  write_file_atomic(folder.path() / "a.csv", "figure\n8b,x,y\n");
  test::expect_error(ErrorKind::storage, {"a.csv:2: 3 columns"}, [&] { read_curves(folder.path()); });
  write_file_atomic(folder.path() / "a.csv", "figure\n8b,m,t,s,1,1e6,1e6,x,50,M\n");
  test::expect_error(ErrorKind::storage, {"a.csv:2: \"x\" is no number"}, [&] { read_curves(folder.path()); });

  const auto says = [](const std::vector<std::string>& words, const std::string& text) {
    std::ostringstream out, err;
    EXPECT_EQ(report_command(words, out, err), 2);
    EXPECT_NE(err.str().find(text), std::string::npos) << err.str();
  };
  const std::string folder_of_curves = curves().string();
  says({"--gmacs", "1e9"}, "--study (the folder");
  says({"--curves", folder_of_curves, "--data", "3B"}, "takes a budget");
  says({"--curves", folder_of_curves, "--data", "lots", "--gmacs", "1e9"}, "--data takes a number of pairs");
  says({"--curves", folder_of_curves, "--measure", "wit", "--gmacs", "1e9"}, "there is ");
  says({"--curves", folder_of_curves, "--data", "3B", "--gmacs", "1e9", "--law", "fornt"}, "did you mean \"front\"");
  const std::string page = (folder / "page.html").string();
  says({"--curves", folder_of_curves, "--output", page, "--formats", "jpg"}, "svg, png or pdf, not as \"jpg\"");
  says({"--curves", folder_of_curves, "--output", page, "--robustness", "probit"}, "logit or linear");
  std::ostringstream out, err;
  EXPECT_EQ(
      report_command({"--curves", folder_of_curves, "--figures", "8b", "--gmacs", "6e10", "--data", "3.4B"}, out, err),
      0);
  EXPECT_NE(out.str().find("ViT-B/16, clip: 3.1"), std::string::npos) << out.str();
}

// A page of the paper's curves: everything that varies has its figure, and what was read off hidden markers is on it,
// too.
TEST(Recommend, AStudyIsDrawn) {
  const auto of_paper = figures_of_study(read_curves(curves()), 1);
  std::vector<std::string> kinds;
  for (const Figure& figure : of_paper) kinds.push_back(figure.id.substr(figure.id.rfind('_') + 1));
  EXPECT_EQ(kinds, (std::vector<std::string>{"compute", "data", "epochs", "share"}));
  const auto line = [&](std::size_t figure, const std::string& name) {
    for (const Series& series : of_paper[figure].series) {
      if (series.name == name) return series;
    }
    ADD_FAILURE() << "no line " << name;
    return Series{};
  };
  EXPECT_EQ(line(1, "ViT-L/16, clip, each once").y.back(), 0.285);  // 3.4 G pairs, fig. 8a
  const std::vector<double> shares{0.352, 0.344, 0.354, 0.381, 0.397},
      drawn = line(3, "ViT-B/32, clip, 3.4 G samples").y;
  ASSERT_EQ(drawn.size(), shares.size());
  for (std::size_t i = 0; i < shares.size(); ++i) EXPECT_NEAR(drawn[i], shares[i], 1e-12);
  const Series front = of_paper[0].series.back();
  EXPECT_EQ(front.name, "best for its compute");
  EXPECT_TRUE(std::ranges::is_sorted(front.y, std::greater<>{}));
  EXPECT_EQ(front.y.back(), 0.281);  // ViT-L/16 on 1 G pairs, fig. 9a

  const Scratch folder;
  std::ostringstream out, err;
  EXPECT_EQ(report_command({"--curves", curves().string(), "--figures", "8b", "5b", "--gmacs", "1e10", "--data", "3.4B",
                            "--output", (folder / "page.html").string()},
                           out, err),
            0)
      << err.str();
  const std::string page = read_text_file(folder / "page.html");
  for (const char* words :
       {"What to train", "ViT-B/32, clip: 1.76 G pairs", "<svg", "Zero-shot error, ImageNet, against compute",
        "After figure 8b", "panels of the paper that this study does not allow", "table_zeroshot.tex"}) {
    EXPECT_NE(page.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(page.find("Unseen test pictures"), std::string::npos);
  const std::string csv = read_text_file(folder / "page_data/fig08b_compute.csv");
  EXPECT_NE(csv.find("\"ViT-L/16\",62600000000,0.352\n"), std::string::npos) << csv;
  EXPECT_TRUE(read_text_file(folder / "page_data/table_zeroshot.csv").starts_with("tower,strategy,share of the data,"));
}

// The figures as files, with the paper's points over them.
TEST(Recommend, FiguresAreWrittenInOtherFormats) {
  const Scratch folder;
  std::ostringstream out, err;
  EXPECT_EQ(report_command({"--curves", curves().string(), "--figures", "9a", "--formats", "svg", "png", "pdf",
                            "--overlay", curves().string(), "--output", (folder / "page.html").string()},
                           out, err),
            0)
      << err.str();
  const auto data = folder / "page_data";
  EXPECT_TRUE(read_text_file(data / "fig09a_data.svg").starts_with("<?xml"));
  EXPECT_TRUE(read_text_file(data / "fig09a_data.png").starts_with("\x89PNG\r\n"));
  EXPECT_TRUE(read_text_file(data / "fig09a_data.pdf").starts_with("%PDF-"));
  EXPECT_NE(read_text_file(data / "fig09a_data.csv").find("\"paper: ViT-L/16\",3400000000,0.285,0.003"),
            std::string::npos);
  EXPECT_NE(read_text_file(folder / "page.html").find("page_data/fig09a_data.pdf"), std::string::npos);
  std::ostringstream ignored, problem;
  EXPECT_EQ(report_command({"--curves", curves().string(), "--output", (folder / "page.html").string(), "--overlay",
                            folder.path().string()},
                           ignored, problem),
            3);
  EXPECT_NE(problem.str().find("holds no CSV file of curves"), std::string::npos) << problem.str();
}

}  // namespace
}  // namespace clip_hpc
