#include <algorithm>
#include <optional>

#include "postprocess/figures/panel_figures.hpp"

namespace clip_hpc {
namespace {

// "ViT-B/32", "B32", "ViT-B-32-paper" are one; so are "clip_aug" of the paper's curves and "clip+stacked".
std::string comparable(const std::string& name) {
  std::string text = plain(name);
  for (const char* idle : {"vit", "paper", "openclip"}) {
    if (const auto at = text.find(idle); at != std::string::npos && text != idle)
      text.erase(at, std::string(idle).size());
  }
  static const std::map<std::string, std::string> kSame{{"r50", "resnet50"},
                                                        {"rn50", "resnet50"},
                                                        {"cnxt", "convnextt"},
                                                        {"convnexttiny", "convnextt"},
                                                        {"swintiny", "swint"},
                                                        {"mixer", "mixerb32"},
                                                        {"clipaug", "clip+"},
                                                        {"clipstacked", "clip+"},
                                                        {"clipstackedrand", "clip+"},
                                                        {"clipaugstackedrandaug", "clip+"},
                                                        {"clipaugrandaug", "cliprand"},
                                                        {"clipaugcropflip", "clipcropflip"}};
  const auto found = kSame.find(text);
  return found == kSame.end() ? text : found->second;
}

// The name of the line that a point of the paper belongs to.
std::string line_name(const StudyPoint& p, Split split) {
  switch (split) {
    case Split::sets:
      return short_count(p.set) + " pairs";
    case Split::strategies:
    case Split::augmentations:
      return p.strategy;
    case Split::everything:
      return p.strategy == "clip" ? p.tower : p.tower + ", " + p.strategy;
    default:
      return p.tower;
  }
}

struct Place {
  double x = 0, y = 0;
};

// Of bars: beside a bar of ours, or nowhere.
std::optional<Place> place_of(const StudyPoint& p, const Panel& panel, const std::string& name, const Figure& figure) {
  if (panel.kind != Kind::bars) return Place{x_of(p, panel.x), p.error};
  const auto group = std::ranges::find(figure.categories, short_count(p.set));
  const auto series =
      std::ranges::find_if(figure.series, [&](const Series& one) { return comparable(one.name) == comparable(name); });
  if (group == figure.categories.end() || series == figure.series.end()) return std::nullopt;
  const auto count = static_cast<double>(figure.series.size());
  return Place{static_cast<double>(group - figure.categories.begin()) +
                   (static_cast<double>(series - figure.series.begin()) - 0.5 * (count - 1)) * 0.8 / count,
               1 - p.error};
}

}  // namespace

void overlay_paper(const PanelData& data, const PaperPoints& paper, Figure& figure) {
  const auto found = paper.find(data.number);
  if (found == paper.end()) return;
  const Panel& panel = data.panel;
  std::map<std::string, Series> lines;
  std::vector<std::string> order;
  for (const StudyPoint& p : found->second) {
    const std::string name = line_name(p, panel.split);
    const auto same = std::ranges::find_if(data.drawn.lines, [&](const Line& line) {
      return panel.split == Split::sets ? near(line.points.front()->set, p.set)
                                        : comparable(line.name) == comparable(name);
    });
    const std::optional<Place> place = place_of(p, panel, name, figure);
    if (!place) continue;
    if (!lines.contains(name)) order.push_back(name);
    Series& line = lines[name];
    line.name = "paper: " + name;
    line.shape = same == data.drawn.lines.end() ? 0 : same->colour % 6;
    // A reading is about 0.3 points off, of a marker that is partly hidden 1.
    take(line, place->x, place->y, p.confidence == 'L' ? 0.01 : 0.003);
  }
  bool first = true;
  for (const std::string& name : order) {
    Series& line = lines.at(name);
    line.colour = kGrey;
    line.hollow = true;
    line.points = true;
    line.line = panel.kind != Kind::bars;
    line.in_key = first;
    line.key = "the paper";
    first = false;
    figure.series.push_back(line);
  }
  if (!order.empty()) {
    figure.note += " Grey: the paper's own points; their bars are the error of reading them off, 0.3 or 1 point.";
  }
}

}  // namespace clip_hpc
