// Which points of a measure a panel of the catalogue draws, as lines; or why it draws none.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "postprocess/figures/catalogue.hpp"
#include "postprocess/points/roles.hpp"

namespace clip_hpc {

using Points = std::vector<const StudyPoint*>;

struct Line {
  std::string name;
  int colour = 0;
  Points points;  // ascending in x
};

struct Drawn {  // the lines of a panel, or why there are none
  std::vector<Line> lines;
  std::string which;  // of words: "ViT-B/32"
  std::string reason;
};

std::string plain(const std::string& text);          // letters and digits alone, in lower case
bool near(double a, double b, double share = 0.02);  // |a - b| is at most that share of the larger

double x_of(const StudyPoint& point, XAxis x);
int most_runs(const std::vector<Line>& lines);  // behind one of their points: seeds

// Colours belong to towers, strategies and sizes of the whole study: a line has the same one in every panel.
class PanelLines {
 public:
  PanelLines(const Roles& roles, std::string base);
  Drawn of(const Panel& panel, const std::vector<StudyPoint>& points) const;

 private:
  Points candidates(const Panel& panel, const std::vector<StudyPoint>& points, const std::string& tower) const;
  std::string vit_among(const std::vector<StudyPoint>& points) const;
  std::string key_of(const Panel& panel, const StudyPoint& p) const;
  int colour_of(const Panel& panel, const StudyPoint& p) const;
  Points picked(const Panel& panel, const Points& points) const;
  std::vector<Line> lines_of(const Panel& panel, const Points& points) const;
  std::vector<Line> quality_lines(const Panel& panel, const std::vector<StudyPoint>& points) const;
  std::string complaint(const Panel& panel, const std::vector<Line>& lines) const;

  std::string base_;
  std::map<std::string, int> tower_colours_, strategy_colours_, pair_colours_;
  std::map<double, int> set_colours_;
};

}  // namespace clip_hpc
