#include "postprocess/figures/catalogue.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <set>

#include "postprocess/points/run_points.hpp"
#include "tests/postprocess/paper_study.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

using synthetic::Cell;
using Ids = std::set<std::string>;

std::filesystem::path curves() {
  return std::filesystem::path(std::getenv("CLIP_HPC_SOURCE_DIR")) / "postprocess/paper";
}

PaperFigures of(const std::vector<Cell>& cells, const synthetic::Tasks& tasks = {},
                const CatalogueOptions& options = {}) {
  return paper_figures(roles_of(measures_of(synthetic::table_of(cells, tasks))), options);
}

Ids ids_of(const PaperFigures& paper) {
  Ids ids;
  for (const Figure& figure : paper.figures) ids.insert(figure.id);
  return ids;
}

const Figure& figure(const PaperFigures& paper, const std::string& id) {
  for (const Figure& one : paper.figures) {
    if (one.id == id) return one;
  }
  throw std::out_of_range(id);
}

const Series& series(const Figure& figure, const std::string& name) {
  for (const Series& one : figure.series) {
    if (one.name == name) return one;
  }
  throw std::out_of_range(figure.id + ": " + name);
}

std::string reason(const PaperFigures& paper, const std::string& number) {
  for (const NotDrawn& one : paper.not_drawn) {
    if (one.id == number) return one.reason;
  }
  return "drawn";
}

std::vector<Cell> sizes(const std::string& tower = "B32", const std::string& strategy = "clip", bool same = false) {
  std::vector<Cell> cells;
  for (const double set : {1e6, 4e6, 16e6}) {
    cells.push_back({.tower = tower, .strategy = strategy, .set = set, .samples = same ? 16e6 : set});
  }
  return cells;
}

std::vector<Cell> together(std::vector<Cell> a, const std::vector<Cell>& b) {
  for (const Cell& cell : b) {
    if (std::ranges::find(a, cell.name(), &Cell::name) == a.end()) a.push_back(cell);
  }
  return a;
}

const synthetic::Tasks kZeroshotAlone{
    .zeroshot = true, .others = false, .fewshot = false, .probe = false, .retrieval = false};

// Writes a study of 301 cells for bench/results: CLIP_HPC_SYNTHETIC names the folder.
TEST(Catalogue, DISABLED_WriteAStudy) {
  const char* folder = std::getenv("CLIP_HPC_SYNTHETIC");
  ASSERT_NE(folder, nullptr);
  const std::vector<Cell> cells = synthetic::paper_cells();
  std::filesystem::create_directories(folder);
  write_file_atomic(std::filesystem::path(folder) / "table.json", synthetic::table_of(cells).dump());
  for (const Cell& cell : cells) {
    synthetic::write_run(std::filesystem::path(folder) / "runs" / cell.name(), cell, {}, 1000);
  }
}

TEST(Catalogue, TheGridOfThePaperGivesEveryFigure) {
  const std::vector<Cell> cells = synthetic::paper_cells();
  EXPECT_EQ(cells.size(), 301U);
  const PaperFigures paper = of(cells);
  Ids numbers;
  for (const Figure& one : paper.figures) numbers.insert(one.id.substr(3, one.id.find('_') - 3));
  Ids expected;
  for (const Panel& panel : catalogue()) {
    const std::string number = panel.number;
    const std::size_t digits = number.find_first_not_of("0123456789");
    const std::string padded = (number.substr(0, digits).size() < 2 ? "0" : "") + number;
    if (!panel.each_set) expected.insert(padded);
    for (char letter = 'a'; panel.each_set && letter <= 'f'; ++letter) expected.insert(padded + letter);
  }
  EXPECT_EQ(numbers, expected);
  EXPECT_EQ(expected.size(), 53U + 7U * 6U);
  EXPECT_TRUE(paper.not_drawn.empty()) << paper.not_drawn.front().id << " " << paper.not_drawn.front().reason;

  // What each family picks out of the 301.
  const auto names = [&](const char* id) {
    std::vector<std::string> found;
    for (const Series& one : figure(paper, id).series) found.push_back(one.name);
    return found;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("fig02a_epochs"), (Names{"25M pairs", "50M pairs", "100M pairs", "200M pairs", "400M pairs"}));
  EXPECT_EQ(series(figure(paper, "fig02a_epochs"), "25M pairs").x, (std::vector<double>{2, 4, 8, 16, 32}));
  EXPECT_EQ(names("fig08b_compute"), (Names{"Ti16", "B32", "S16", "B16", "L16", "Pareto front"}));
  EXPECT_EQ(names("fig13a_data"), (Names{"B32", "Mixer", "R50", "CNXT", "SwinT"}));
  EXPECT_EQ(names("fig17a_data"), (Names{"clip", "clip+stacked", "flip", "slip"}));
  EXPECT_EQ(names("fig01b_bars"), (Names{"clip", "clip+cropflip", "clip+rand", "clip+stacked"}));
  EXPECT_EQ(figure(paper, "fig08a_bars").categories,
            (std::vector<std::string>{"25M", "50M", "100M", "400M", "1B", "3.4B"}));
  EXPECT_EQ(series(figure(paper, "fig09a_data"), "L16").x.size(), 11U);
  EXPECT_EQ(series(figure(paper, "fig05b_quality"), "B32").x, (std::vector<double>{0.2, 0.4, 0.6, 0.8, 1}));
  // Six sets in figure 9b, five in 17b: which, stands below.
  EXPECT_NE(figure(paper, "fig09b_data").note.find("ImageNet-V2, ImageNet-ReaL, ObjectNet"), std::string::npos);
  EXPECT_EQ(figure(paper, "fig17b_data").note.find("ReaL"), std::string::npos);
  EXPECT_NE(figure(paper, "fig17b_data").note.find("After figure 17b"), std::string::npos);
}

TEST(Catalogue, ValuesAreThoseOfTheRuns) {
  const PaperFigures paper = of(synthetic::paper_cells());
  const Cell cell{.tower = "L16", .set = 4e8, .samples = 4e8};
  const Series& line = series(figure(paper, "fig08b_compute"), "L16");
  const auto at = std::ranges::find_if(line.x, [](double x) { return std::abs(x / (62.6 * 4e8) - 1) < 1e-9; });
  ASSERT_NE(at, line.x.end());
  EXPECT_NEAR(line.y[static_cast<std::size_t>(at - line.x.begin())], 1 - synthetic::accuracy(cell), 1e-12);
  const Series& bars = series(figure(paper, "fig11a_bars"), "L16");
  EXPECT_EQ(bars.x[3], 3);  // 400M
  EXPECT_NEAR(bars.y[3], 0.7 * synthetic::accuracy(cell), 1e-12);
  double mean = 0;
  for (int i = 0; i < 6; ++i) mean += synthetic::other_accuracy({.set = 1e7, .samples = 3.4e9}, i) / 6;
  EXPECT_NEAR(series(figure(paper, "fig09b_data"), "B32").y.front(), 1 - mean, 1e-12);
  const Series& front = series(figure(paper, "fig08b_compute"), "Pareto front");
  EXPECT_TRUE(front.band);
  EXPECT_TRUE(std::ranges::is_sorted(front.y, std::greater<>{}));
}

// Two towers that share a strategy have a line each.
TEST(Catalogue, AStrategyOfTwoTowersIsTwoLines) {
  const PaperFigures paper =
      of(together(together(sizes("B32"), sizes("S16")), together(sizes("B32", "flip"), sizes("S16", "flip"))),
         kZeroshotAlone);
  const Figure& all = figure(paper, "fig01a_compute");
  std::set<int> colours;
  for (const char* name : {"B32", "S16", "B32, flip", "S16, flip"}) {
    EXPECT_EQ(series(all, name).x.size(), 3U) << name;
    colours.insert(series(all, name).colour);
  }
  EXPECT_EQ(colours.size(), 4U);
}

TEST(Catalogue, OnlyWhatTheAxesAllow) {
  const PaperFigures one_tower = of(sizes(), kZeroshotAlone);
  EXPECT_EQ(ids_of(one_tower), (Ids{"fig01a_compute", "fig08a_bars", "fig08b_compute", "fig08t_time"}));
  EXPECT_EQ(reason(one_tower, "9a"), "no two sizes of data with as many samples");
  EXPECT_EQ(reason(one_tower, "12a"), "no tower of another family than ViT");
  EXPECT_EQ(reason(one_tower, "2a"), "no set that was seen for several numbers of epochs");
  EXPECT_EQ(reason(one_tower, "6a"), "no few-shot classification (5 shots)");
  EXPECT_EQ(reason(one_tower, "4a"), "no retrieval");
  EXPECT_EQ(reason(one_tower, "5a"), "no shares of the data (quality) in one epoch");
  const std::vector<NotDrawn> groups = grouped(one_tower.not_drawn);
  EXPECT_LT(groups.size(), 20U);
  const auto few = std::ranges::find(groups, "no few-shot classification (5 shots)", &NotDrawn::reason);
  ASSERT_NE(few, groups.end());
  EXPECT_EQ(few->id, "3a, 6a, 6c, 25a");

  EXPECT_EQ(ids_of(of(together(sizes("B32"), sizes("R50")), kZeroshotAlone)),
            (Ids{"fig01a_compute", "fig08a_bars", "fig08b_compute", "fig08t_time", "fig12a_bars", "fig12b_compute",
                 "fig12t_time"}));
  EXPECT_EQ(ids_of(of(together(sizes("B32", "clip"), sizes("B32", "flip")), kZeroshotAlone)),
            (Ids{"fig01a_compute", "fig08a_bars", "fig08b_compute", "fig08t_time", "fig16a_bars", "fig16b_compute",
                 "fig16t_time"}));
  // Strategies on different towers are no comparison.
  EXPECT_EQ(ids_of(of(together(sizes("B32", "clip"), sizes("S16", "flip")), kZeroshotAlone)),
            (Ids{"fig01a_compute", "fig08a_bars", "fig08b_compute", "fig08t_time"}));
  EXPECT_EQ(ids_of(of(sizes("B32", "clip", true), kZeroshotAlone)), (Ids{"fig09a_data"}));
  EXPECT_EQ(ids_of(of(together(sizes("B32", "clip", true), sizes()), kZeroshotAlone)),
            (Ids{"fig01a_compute", "fig02a_epochs", "fig08a_bars", "fig08b_compute", "fig08t_time", "fig09a_data"}));
  const Cell whole{.set = 1e7, .samples = 1e7}, half{.quality = 0.5, .set = 5e6, .samples = 5e6};
  EXPECT_EQ(ids_of(of({whole, half}, kZeroshotAlone)), (Ids{"fig05a_quality"}));
  EXPECT_TRUE(of({whole}, kZeroshotAlone).figures.empty());
  EXPECT_EQ(paper_figures(Roles{}).not_drawn.size(), catalogue().size());
}

TEST(Catalogue, SeedsAreErrorBars) {
  const PaperFigures of_one_seed = of(sizes(), kZeroshotAlone);
  for (const Series& one : figure(of_one_seed, "fig08b_compute").series) {
    EXPECT_TRUE(one.spread.empty());
  }
  std::vector<Cell> cells;
  for (Cell cell : sizes()) {
    for (const int seed : {0, 1}) {
      cell.seed = seed;
      cells.push_back(cell);
    }
  }
  const PaperFigures paper = of(cells);
  for (const char* id : {"fig08b_compute", "fig08a_bars"}) {
    const Series& line = series(figure(paper, id), "B32");
    ASSERT_EQ(line.spread.size(), 3U) << id;
    EXPECT_NEAR(line.spread[1], 0.004, 1e-12) << id;
  }
  EXPECT_NE(figure(paper, "fig08b_compute").note.find("half the range over 2 seeds"), std::string::npos);
  // A mean over sets has the spread of the runs' means, not the mean of the spreads.
  const auto mean = [](int seed) {
    double sum = 0;
    for (int i = 0; i < 6; ++i) sum += synthetic::other_accuracy({.set = 4e6, .samples = 4e6, .seed = seed}, i) / 6;
    return sum;
  };
  const Roles roles = roles_of(measures_of(synthetic::table_of(cells)));
  for (const StudyPoint& point : roles.measures.at(Role::variants).points) {
    if (point.set == 4e6) {
      EXPECT_NEAR(point.spread, 0.5 * (mean(1) - mean(0)), 1e-12);
    }
  }
  EXPECT_NEAR(series(figure(paper, "fig21a_robustness"), "B32").x_spread.at(0), 0.004, 1e-12);
}

// A study of letters: its own main set, its own other sets, its own pictures and captions.
TEST(Catalogue, OtherSetsThanThePapers) {
  Json table = synthetic::table_of(sizes(), {.main = "glyphs/test_letters", .captions = "glyphs/test_pairs"});
  for (Json& cell : table["cells"]) {
    for (Json& result : cell["results"]) {
      const auto name = result["dataset"].get<std::string>();
      if (name == "imagenet-a") result["dataset"] = "glyphs/test_faces";
    }
    std::erase_if(cell["results"].get_ref<Json::array_t&>(), [](const Json& result) {
      const auto name = result["dataset"].get<std::string>();
      return name.starts_with("imagenet") || name == "objectnet";
    });
    // The main set again, with more names to choose from: no other set.
    Json::array_t& results = cell["results"].get_ref<Json::array_t&>();
    Json more = *std::ranges::find_if(results, [](const Json& result) {
      return result["dataset"] == "glyphs/test_letters" && result["task"] == "zeroshot_classification";
    });
    more["variant"] = "all";
    results.push_back(std::move(more));
  }
  const Roles roles = roles_of(measures_of(table));
  EXPECT_EQ(roles.measures.at(Role::zeroshot).name, "glyphs/test_letters, canonical");
  EXPECT_FALSE(roles.measures.at(Role::zeroshot).as_paper);
  ASSERT_EQ(roles.variants.size(), 1U);
  EXPECT_EQ(roles.variants[0].name, "glyphs/test_faces, canonical");
  const PaperFigures paper = paper_figures(roles, {.overlay = read_panels(curves())});
  EXPECT_TRUE(ids_of(paper).contains("fig21a_robustness"));
  EXPECT_TRUE(ids_of(paper).contains("fig11a_bars"));
  for (const Figure& one : paper.figures) {
    for (const Series& line : one.series) EXPECT_FALSE(line.hollow) << "the paper's ImageNet over " << one.id;
  }
}

TEST(Catalogue, UnfinishedRunsAndLabelsAreKeptApart) {
  Json table = synthetic::table_of(sizes(), kZeroshotAlone);
  table["cells"][0]["results"][0]["samples_seen"] = 5e5;  // half of its schedule
  EXPECT_EQ(measures_of(table).front().points.size(), 2U);
  Json labelled = synthetic::table_of(sizes(), kZeroshotAlone);
  for (Json& cell : labelled["cells"]) {
    Json other = cell["results"][0];
    other["label"] = "ema";
    cell["results"].push_back(other);
  }
  for (const StudyMeasure& one : measures_of(labelled)) {
    for (const StudyPoint& point : one.points) EXPECT_EQ(point.runs, 1) << one.name;
  }
}

TEST(Catalogue, StrategiesAreNamedByTheirAugmentation) {
  EXPECT_EQ(strategy_name("clip", "none"), "clip");
  EXPECT_EQ(strategy_name("clip", "stacked"), "clip+stacked");
  EXPECT_EQ(strategy_name("", ""), "clip");
  EXPECT_EQ(strategy_name("flip", "", "big"), "flip big");
}

// Run folders alone say what the table of their study says.
TEST(Catalogue, RunFoldersGiveTheSamePoints) {
  const Scratch scratch;
  std::vector<Cell> cells = together(sizes("B32"), sizes("S16", "flip", true));
  cells.push_back({.augmentation = "stacked", .set = 4e6, .samples = 4e6});
  cells.push_back({.quality = 0.2, .set = 2e5, .samples = 1e6});
  for (const Cell& cell : cells) synthetic::write_run(scratch / cell.name(), cell);
  const std::vector<StudyMeasure> measures = measures_of_runs(load_runs({scratch.path()}));
  const auto zeroshot =
      std::ranges::find(measures, "imagenet1k zeroshot_classification canonical acc1", &StudyMeasure::name);
  ASSERT_NE(zeroshot, measures.end());
  EXPECT_EQ(zeroshot->points.size(), cells.size());
  EXPECT_NEAR(zeroshot->chance_error, 0.999, 1e-12);
  for (const Cell& cell : cells) {
    const auto at = std::ranges::find_if(zeroshot->points, [&](const StudyPoint& p) {
      return p.set == cell.set && p.samples == cell.samples && p.quality == cell.quality &&
             p.strategy == strategy_name(cell.strategy, cell.augmentation) &&
             p.tower == (cell.tower == "B32" ? "ViT-B-32" : "ViT-S-16");
    });
    ASSERT_NE(at, zeroshot->points.end()) << cell.name();
    EXPECT_NEAR(at->error, 1 - synthetic::accuracy(cell), 1e-12);
    EXPECT_NEAR(at->gpu_s_per_sample, 3600 / cell.samples, 1e-12);
    EXPECT_NEAR(at->gmacs, cell.strategy == "flip" ? 3.586 : 5.773, 0.001);  // with the class token
  }
  EXPECT_TRUE(ids_of(paper_figures(roles_of(measures))).contains("fig08b_compute"));
  const Scratch elsewhere;  // the JSON of this tower is not here
  for (const Cell& cell : sizes("SwinT")) synthetic::write_run(elsewhere / cell.name(), cell);
  const PaperFigures unknown = paper_figures(roles_of(measures_of_runs(load_runs({elsewhere.path()}))));
  EXPECT_EQ(reason(unknown, "1a"), "no run of one epoch whose compute is known");
}

// The paper's curves, drawn by the catalogue, are the paper's figures: every digitised point lies on a line of ours.
TEST(Catalogue, ThePapersCurvesAreItsFigures) {
  const PaperPoints panels = read_panels(curves());
  const PaperFigures paper = paper_figures(roles_of(read_curves(curves())), {.overlay = panels});
  std::size_t drawn = 0;
  for (const Figure& one : paper.figures) {
    const std::string digits = one.id.substr(3, one.id.find('_') - 3);
    const std::string number = digits.starts_with('0') ? digits.substr(1) : digits;
    if (!panels.contains(number)) continue;
    ++drawn;
    std::size_t points = 0, off = 0;
    for (const Series& line : one.series) {
      if (!line.hollow) continue;
      for (std::size_t i = 0; i < line.x.size(); ++i) {
        ++points;
        double nearest = 1;
        for (const Series& ours : one.series) {
          if (ours.hollow || ours.band) continue;
          for (std::size_t j = 0; j < ours.x.size(); ++j) {
            // Bars stand at whole numbers, the marks over them in their places.
            const bool here = one.categories.empty() ? std::abs(ours.x[j] / line.x[i] - 1) < 1e-6
                                                     : ours.x[j] == std::round(line.x[i]);
            if (here) nearest = std::min(nearest, std::abs(ours.y[j] - line.y[i]));
          }
        }
        off += nearest > 0.01;  // what two figures show was read twice
      }
    }
    EXPECT_EQ(points, panels.at(number).size()) << one.id;
    // One run of figure 14a stands in figure 10a with another value: 27.4 and 29.2 %.
    EXPECT_LE(off, number == "14a" ? 1U : 0U) << one.id;
  }
  EXPECT_EQ(drawn, panels.size());
}

TEST(Catalogue, ThePapersPointsAreLaidOver) {
  const PaperFigures paper = of(synthetic::paper_cells(), {}, {.overlay = read_panels(curves())});
  const Figure& data = figure(paper, "fig09a_data");
  const Series& theirs = series(data, "paper: ViT-L/16");
  EXPECT_TRUE(theirs.hollow);
  EXPECT_EQ(theirs.colour, kGrey);
  EXPECT_EQ(theirs.key, "the paper");
  EXPECT_EQ(theirs.y.size(), 11U);
  EXPECT_NEAR(theirs.y.back(), 0.285, 1e-12);
  EXPECT_EQ(theirs.shape, series(data, "L16").colour % 6);  // the shape of the same tower
  const Series& hidden = series(data, "paper: ViT-Ti/16");
  EXPECT_EQ(hidden.spread.front(), 0.01);  // partly hidden in the picture: L
  EXPECT_EQ(hidden.spread[1], 0.003);
  EXPECT_EQ(std::ranges::count_if(data.series, [](const Series& one) { return one.hollow && one.in_key; }), 1);
  const Figure& bars = figure(paper, "fig08a_bars");
  EXPECT_FALSE(series(bars, "paper: ViT-B/32").line);
  for (const Series& one : figure(paper, "fig12b_compute").series) EXPECT_FALSE(one.hollow);  // could not be read
}

}  // namespace
}  // namespace clip_hpc
