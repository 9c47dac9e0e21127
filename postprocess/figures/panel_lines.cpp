#include "postprocess/figures/panel_lines.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include <fmt/format.h>

namespace clip_hpc {
namespace {

bool once(const StudyPoint& p) { return near(p.epochs(), 1, 0.05); }

// Networks that are no ViT are told by their names.
bool is_other_family(const std::string& tower) {
  const std::string name = plain(tower);
  return std::ranges::any_of(std::array{"resnet", "rn", "r50", "r101", "swin", "convnext", "cnx", "mixer"},
                             [&](const char* start) { return name.starts_with(start); });
}

// The value that most points share, of equals the greatest; below `least` none is looked at.
template <class Of, class Key>
double most_shared(const Points& points, const Of& value_of, const Key& key_of, double least) {
  std::map<double, std::set<std::string>> groups;
  for (const StudyPoint* point : points) {
    const double value = value_of(*point);
    if (value < least) continue;
    auto group = std::ranges::find_if(groups, [&](const auto& one) { return near(one.first, value); });
    if (group == groups.end()) group = groups.emplace(value, std::set<std::string>{}).first;
    group->second.insert(key_of(*point));
  }
  double best = 0;
  std::size_t most = 1;
  for (const auto& [value, keys] : groups) {
    if (keys.size() < most || keys.size() < 2) continue;
    most = keys.size();
    best = value;
  }
  return best;
}

void number(std::map<std::string, int>& colours, const std::string& name) {
  colours.emplace(name, static_cast<int>(colours.size()));
}

std::size_t distinct_x(const Panel& panel, const std::vector<Line>& lines) {
  std::set<double> values;
  for (const Line& line : lines) {
    for (const StudyPoint* p : line.points) values.insert(x_of(*p, panel.x));
  }
  return values.size();
}

std::size_t most_in_a_line(const std::vector<Line>& lines) {
  std::size_t most = 0;
  for (const Line& line : lines) most = std::max(most, line.points.size());
  return most;
}

}  // namespace

std::string plain(const std::string& text) {
  std::string letters;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return letters;
}

bool near(double a, double b, double share) { return std::abs(a - b) <= share * std::max(std::abs(a), std::abs(b)); }

double x_of(const StudyPoint& point, XAxis x) {
  switch (x) {
    case XAxis::compute:
      return point.total_gmacs();
    case XAxis::set:
      return point.set;
    case XAxis::epochs:
      return point.epochs();
    case XAxis::quality:
      return point.quality;
    case XAxis::time:
      return point.gpu_s_per_sample * point.samples;
  }
  return 0;
}

int most_runs(const std::vector<Line>& lines) {
  int most = 1;
  for (const Line& line : lines) {
    for (const StudyPoint* p : line.points) most = std::max(most, p->runs);
  }
  return most;
}

PanelLines::PanelLines(const Roles& roles, std::string base) : base_(std::move(base)) {
  std::set<std::pair<double, std::string>> towers;
  std::set<std::string> strategies, pairs;
  std::set<double> sets;
  for (const auto& [role, measure] : roles.measures) {
    for (const StudyPoint& point : measure.points) {
      if (point.strategy == base_) towers.emplace(point.gmacs, point.tower);
      strategies.insert(point.strategy);
      if (point.strategy != base_) pairs.insert(point.tower + ", " + point.strategy);
      if (point.quality >= 1) sets.insert(point.set);
    }
  }
  for (const bool others : {false, true}) {
    for (const auto& [gmacs, tower] : towers) {
      if (is_other_family(tower) == others) number(tower_colours_, tower);
    }
  }
  for (const auto& [role, measure] : roles.measures) {
    for (const StudyPoint& point : measure.points) number(tower_colours_, point.tower);
  }
  number(strategy_colours_, base_);
  for (const std::string& strategy : strategies) number(strategy_colours_, strategy);
  for (const std::string& pair : pairs) number(pair_colours_, pair);
  for (const double set : sets) set_colours_.emplace(set, static_cast<int>(set_colours_.size()));
}

Points PanelLines::candidates(const Panel& panel, const std::vector<StudyPoint>& points,
                              const std::string& tower) const {
  Points found;
  const bool families = panel.split == Split::families;
  const std::string vit = families ? vit_among(points) : "";
  for (const StudyPoint& p : points) {
    if (p.quality < 1 || (panel.x == XAxis::compute && !(p.gmacs > 0)) ||
        (panel.x == XAxis::time && !(p.gpu_s_per_sample > 0))) {
      continue;
    }
    const bool base = p.strategy == base_;
    bool fits = false;
    switch (panel.split) {
      case Split::everything:
        fits = true;
        break;
      case Split::towers:
        fits = base && !is_other_family(p.tower);
        break;
      case Split::families:
        fits = base && (is_other_family(p.tower) || p.tower == vit);
        break;
      case Split::strategies:
        fits = p.tower == tower;
        break;
      case Split::augmentations:
        fits = p.tower == tower && p.strategy.starts_with(base_);
        break;
      case Split::sets:
        fits = p.tower == tower && base;
        break;
    }
    if (fits) found.push_back(&p);
  }
  return found;
}

// The ViT that other families are compared with: of their compute, as nearly as there is one.
std::string PanelLines::vit_among(const std::vector<StudyPoint>& points) const {
  double sum = 0, count = 0;
  for (const StudyPoint& p : points) {
    if (!is_other_family(p.tower)) continue;
    sum += p.gmacs;
    count += 1;
  }
  const StudyPoint* nearest = nullptr;
  const auto distance = [&](const StudyPoint& p) { return std::abs(std::log(p.gmacs / (sum / count))); };
  for (const StudyPoint& p : points) {
    if (count == 0 || is_other_family(p.tower) || p.strategy != base_ || p.gmacs <= 0) continue;
    if (nearest == nullptr || distance(p) < distance(*nearest)) nearest = &p;
  }
  return nearest == nullptr ? "" : nearest->tower;
}

std::string PanelLines::key_of(const Panel& panel, const StudyPoint& p) const {
  switch (panel.split) {
    case Split::everything:
      return p.strategy == base_ ? p.tower : p.tower + ", " + p.strategy;
    case Split::towers:
    case Split::families:
      return p.tower;
    case Split::strategies:
    case Split::augmentations:
      return p.strategy;
    case Split::sets:
      return short_count(p.set) + " pairs";
  }
  return "";
}

int PanelLines::colour_of(const Panel& panel, const StudyPoint& p) const {
  switch (panel.split) {
    case Split::everything:
      return p.strategy == base_ ? tower_colours_.at(p.tower)
                                 : static_cast<int>(tower_colours_.size()) + pair_colours_.at(key_of(panel, p));
    case Split::towers:
    case Split::families:
      return tower_colours_.at(p.tower);
    case Split::strategies:
    case Split::augmentations:
      return strategy_colours_.at(p.strategy);
    case Split::sets: {
      const auto found = set_colours_.find(p.set);
      return found == set_colours_.end() ? 0 : found->second;
    }
  }
  return 0;
}

Points PanelLines::picked(const Panel& panel, const Points& points) const {
  Points found;
  const auto take_where = [&](const auto& fits) {
    for (const StudyPoint* p : points) {
      if (fits(*p)) found.push_back(p);
    }
  };
  const auto line_and_set = [&](const StudyPoint& p) { return fmt::format("{}|{}", key_of(panel, p), p.set); };
  switch (panel.pick) {
    case Pick::any:
      return points;
    case Pick::one_epoch:
      take_where(once);
      break;
    case Pick::same_samples: {
      const double samples = most_shared(
          points, [](const StudyPoint& p) { return p.samples; }, line_and_set, 0);
      if (samples > 0) take_where([&](const StudyPoint& p) { return near(p.samples, samples); });
      break;
    }
    case Pick::equal_epochs: {
      const double epochs = most_shared(
          points, [](const StudyPoint& p) { return p.epochs(); }, line_and_set, 1.06);
      if (epochs > 0) take_where([&](const StudyPoint& p) { return near(p.epochs(), epochs); });
      break;
    }
    case Pick::several_epochs: {
      // Numbers of epochs that most sets have been trained for; where none is shared, whatever there is.
      std::map<int, std::set<double>> sets;  // by the number of epochs, a twentieth of an e-fold wide
      const auto key = [](const StudyPoint& p) { return static_cast<int>(std::lround(20 * std::log(p.epochs()))); };
      for (const StudyPoint* p : points) sets[key(*p)].insert(p->set);
      const auto shared = [&](const StudyPoint& p) { return sets.at(key(p)).size() >= 2; };
      std::set<int> beyond_one, all;
      for (std::size_t count = points.size(); count >= 2 && beyond_one.size() < 3; --count) {
        beyond_one.clear();
        for (const StudyPoint* p : points) {
          if (!once(*p) && sets.at(key(*p)).size() >= count) beyond_one.insert(key(*p));
        }
      }
      for (const StudyPoint* p : points) {
        if (shared(*p)) all.insert(key(*p));
      }
      if (beyond_one.size() >= 3) {
        take_where([&](const StudyPoint& p) { return beyond_one.contains(key(p)); });
      } else if (all.size() >= 2) {
        take_where(shared);
      } else {
        return points;
      }
      break;
    }
  }
  return found;
}

std::vector<Line> PanelLines::lines_of(const Panel& panel, const Points& points) const {
  std::map<int, Line> by_colour;
  for (const StudyPoint* p : points) {
    Line& line = by_colour[colour_of(panel, *p)];
    line.name = key_of(panel, *p);
    line.colour = colour_of(panel, *p);
    line.points.push_back(p);
  }
  std::vector<Line> lines;
  for (auto& [colour, line] : by_colour) {
    std::ranges::stable_sort(line.points, {}, [&](const StudyPoint* p) { return x_of(*p, panel.x); });
    lines.push_back(std::move(line));
  }
  return lines;
}

// Shares of the data: those of one whole, with as many samples or in one epoch.
std::vector<Line> PanelLines::quality_lines(const Panel& panel, const std::vector<StudyPoint>& points) const {
  std::vector<Line> lines;
  for (const auto& [tower, colour] : tower_colours_) {
    Points best;
    for (const StudyPoint& whole : points) {
      if (whole.tower != tower || whole.strategy != base_ || whole.quality < 1) continue;
      Points parts;
      for (const StudyPoint& part : points) {
        if (part.tower != tower || part.strategy != base_ || part.quality >= 1) continue;
        if (!near(part.set, part.quality * whole.set, 0.05)) continue;
        const double samples = panel.pick == Pick::same_samples ? whole.samples : part.quality * whole.samples;
        if (near(part.samples, samples)) parts.push_back(&part);
      }
      parts.push_back(&whole);
      if (parts.size() > best.size()) best = parts;
    }
    if (best.size() < 2) continue;
    std::ranges::stable_sort(best, {}, [](const StudyPoint* p) { return p->quality; });
    lines.push_back({tower, colour, best});
  }
  std::ranges::stable_sort(lines, {}, &Line::colour);
  return lines;
}

// Whether the lines answer what the panel asks.
std::string PanelLines::complaint(const Panel& panel, const std::vector<Line>& lines) const {
  const std::size_t towers = tower_colours_.size();
  if (panel.split == Split::families &&
      std::ranges::none_of(lines, [](const Line& line) { return is_other_family(line.name); })) {
    return "no tower of another family than ViT";
  }
  const bool compares = panel.split == Split::families || panel.split == Split::strategies;
  if (compares && std::ranges::count_if(lines, [](const Line& line) { return line.points.size() >= 2; }) < 2) {
    const std::string what =
        panel.split == Split::families ? "towers of different families" : "strategies on one tower";
    return panel.pick == Pick::one_epoch      ? "no two " + what + " with several sizes of data in one epoch"
           : panel.pick == Pick::same_samples ? "no two " + what + " with several sizes of data and as many samples"
                                              : "no two " + what + " with several runs";
  }
  if (panel.split == Split::towers && lines.empty() && towers > 0 && panel.x != XAxis::quality &&
      std::ranges::all_of(tower_colours_, [](const auto& tower) { return is_other_family(tower.first); })) {
    return "no ViT";
  }
  if (panel.split == Split::augmentations && lines.size() < 2) {
    return "no two augmentations with equally many epochs, more than one";
  }
  if (panel.x == XAxis::quality && lines.empty()) {
    return panel.pick == Pick::one_epoch ? "no shares of the data (quality) in one epoch"
                                         : "no shares of the data (quality) with as many samples";
  }
  if (panel.kind == Kind::scatter) return lines.empty() ? "no runs that both sets were measured on" : "";
  if (panel.kind == Kind::bars) {
    if (lines.empty()) return "no run of one epoch";
    return distinct_x(panel, lines) * lines.size() < 2 ? "a single bar" : "";
  }
  if (most_in_a_line(lines) >= 2 && distinct_x(panel, lines) >= 2) return "";
  if (panel.x == XAxis::compute && lines.empty()) return "no run of one epoch whose compute is known";
  if (panel.x == XAxis::time && lines.empty()) return "no run of one epoch whose time was measured";
  switch (panel.pick) {
    case Pick::several_epochs:
      return "no set that was seen for several numbers of epochs";
    case Pick::same_samples:
      return "no two sizes of data with as many samples";
    default:
      return "no two sizes of data in one epoch";
  }
}

Drawn PanelLines::of(const Panel& panel, const std::vector<StudyPoint>& points) const {
  Drawn drawn;
  if (panel.x == XAxis::quality) {
    drawn.lines = quality_lines(panel, points);
    drawn.which = base_;
    drawn.reason = complaint(panel, drawn.lines);
    return drawn;
  }
  const bool one_tower =
      panel.split == Split::strategies || panel.split == Split::augmentations || panel.split == Split::sets;
  if (!one_tower) {
    drawn.lines = lines_of(panel, picked(panel, candidates(panel, points, "")));
    drawn.which = panel.split == Split::everything ? "" : base_;
    drawn.reason = complaint(panel, drawn.lines);
    return drawn;
  }
  std::size_t most = 0;
  double largest = 0;  // of towers with equally many points the larger
  for (const auto& [tower, colour] : tower_colours_) {
    std::vector<Line> lines = lines_of(panel, picked(panel, candidates(panel, points, tower)));
    // A set that was trained for one length only is no line.
    if (panel.split == Split::sets) std::erase_if(lines, [](const Line& line) { return line.points.size() < 2; });
    const std::string reason = complaint(panel, lines);
    if (drawn.lines.empty() && drawn.reason.empty()) drawn.reason = reason;
    std::size_t count = 0;
    for (const Line& line : lines) count += line.points.size();
    const double gmacs = lines.empty() ? 0 : lines.front().points.front()->gmacs;
    if (!reason.empty() || count < most || (count == most && gmacs <= largest)) continue;
    most = count;
    largest = gmacs;
    drawn.lines = std::move(lines);
    drawn.which = panel.split == Split::sets ? tower + ", " + base_ : tower;
    drawn.reason.clear();
  }
  return drawn;
}

}  // namespace clip_hpc
