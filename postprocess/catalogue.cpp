#include "catalogue.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

namespace clip_hpc {
namespace {

// clang-format off
constexpr Panel kCatalogue[] = {
    {"1a", Kind::lines, Role::zeroshot, XAxis::compute, Split::everything, Pick::one_epoch, true},
    {"1b", Kind::bars, Role::zeroshot, XAxis::set, Split::augmentations, Pick::equal_epochs},
    {"2a", Kind::lines, Role::zeroshot, XAxis::epochs, Split::sets, Pick::several_epochs},
    {"2b", Kind::lines, Role::variants, XAxis::epochs, Split::sets, Pick::several_epochs},
    {"3a", Kind::lines, Role::fewshot_low, XAxis::epochs, Split::sets, Pick::several_epochs},
    {"3b", Kind::lines, Role::fewshot_high, XAxis::epochs, Split::sets, Pick::several_epochs},
    {"4a", Kind::lines, Role::image_to_text, XAxis::epochs, Split::sets, Pick::several_epochs},
    {"4b", Kind::lines, Role::text_to_image, XAxis::epochs, Split::sets, Pick::several_epochs},
    {"5a", Kind::lines, Role::zeroshot, XAxis::quality, Split::towers, Pick::one_epoch},
    {"5b", Kind::lines, Role::zeroshot, XAxis::quality, Split::towers, Pick::same_samples},
    {"6a", Kind::lines, Role::fewshot_low, XAxis::quality, Split::towers, Pick::one_epoch},
    {"6b", Kind::lines, Role::fewshot_high, XAxis::quality, Split::towers, Pick::one_epoch},
    {"6c", Kind::lines, Role::fewshot_low, XAxis::quality, Split::towers, Pick::same_samples},
    {"6d", Kind::lines, Role::fewshot_high, XAxis::quality, Split::towers, Pick::same_samples},
    {"7a", Kind::lines, Role::image_to_text, XAxis::quality, Split::towers, Pick::one_epoch},
    {"7b", Kind::lines, Role::text_to_image, XAxis::quality, Split::towers, Pick::one_epoch},
    {"7c", Kind::lines, Role::image_to_text, XAxis::quality, Split::towers, Pick::same_samples},
    {"7d", Kind::lines, Role::text_to_image, XAxis::quality, Split::towers, Pick::same_samples},
    {"8a", Kind::bars, Role::zeroshot, XAxis::set, Split::towers, Pick::one_epoch},
    {"8b", Kind::lines, Role::zeroshot, XAxis::compute, Split::towers, Pick::one_epoch, true},
    {"9a", Kind::lines, Role::zeroshot, XAxis::set, Split::towers, Pick::same_samples, true},
    {"9b", Kind::lines, Role::variants, XAxis::set, Split::towers, Pick::same_samples, true},
    {"10a", Kind::lines, Role::probe, XAxis::set, Split::towers, Pick::same_samples, true},
    {"10b", Kind::lines, Role::probe_variants, XAxis::set, Split::towers, Pick::same_samples, true},
    {"11a", Kind::bars, Role::image_to_text, XAxis::set, Split::towers, Pick::one_epoch},
    {"11b", Kind::bars, Role::text_to_image, XAxis::set, Split::towers, Pick::one_epoch},
    {"11c", Kind::lines, Role::image_to_text, XAxis::set, Split::towers, Pick::same_samples, true},
    {"11d", Kind::lines, Role::text_to_image, XAxis::set, Split::towers, Pick::same_samples, true},
    {"12a", Kind::bars, Role::zeroshot, XAxis::set, Split::families, Pick::one_epoch},
    {"12b", Kind::lines, Role::zeroshot, XAxis::compute, Split::families, Pick::one_epoch, true},
    {"13a", Kind::lines, Role::zeroshot, XAxis::set, Split::families, Pick::same_samples, true},
    {"13b", Kind::lines, Role::variants, XAxis::set, Split::families, Pick::same_samples, true},
    // Its axis says "sampled data", and its values are those of runs of one epoch.
    {"14a", Kind::lines, Role::probe, XAxis::set, Split::families, Pick::one_epoch, true},
    {"14b", Kind::lines, Role::probe_variants, XAxis::set, Split::families, Pick::one_epoch, true},
    {"15a", Kind::bars, Role::image_to_text, XAxis::set, Split::families, Pick::one_epoch},
    {"15b", Kind::bars, Role::text_to_image, XAxis::set, Split::families, Pick::one_epoch},
    {"15c", Kind::lines, Role::image_to_text, XAxis::set, Split::families, Pick::same_samples, true},
    {"15d", Kind::lines, Role::text_to_image, XAxis::set, Split::families, Pick::same_samples, true},
    {"16a", Kind::bars, Role::zeroshot, XAxis::set, Split::strategies, Pick::one_epoch},
    {"16b", Kind::lines, Role::zeroshot, XAxis::compute, Split::strategies, Pick::one_epoch, true},
    {"17a", Kind::lines, Role::zeroshot, XAxis::set, Split::strategies, Pick::same_samples, true},
    {"17b", Kind::lines, Role::variants_without_real, XAxis::set, Split::strategies, Pick::same_samples, true},
    {"18a", Kind::bars, Role::image_to_text, XAxis::set, Split::strategies, Pick::one_epoch},
    {"18b", Kind::bars, Role::text_to_image, XAxis::set, Split::strategies, Pick::one_epoch},
    {"18c", Kind::lines, Role::image_to_text, XAxis::set, Split::strategies, Pick::same_samples, true},
    {"18d", Kind::lines, Role::text_to_image, XAxis::set, Split::strategies, Pick::same_samples, true},
    {"19a", Kind::lines, Role::probe, XAxis::set, Split::strategies, Pick::same_samples, true},
    {"19b", Kind::lines, Role::probe_variants, XAxis::set, Split::strategies, Pick::same_samples, true},
    {"20", Kind::lines, Role::variants, XAxis::epochs, Split::sets, Pick::several_epochs, false, true},
    {"21", Kind::scatter, Role::variants, XAxis::set, Split::towers, Pick::any, false, true},
    {"22", Kind::scatter, Role::probe_variants, XAxis::set, Split::towers, Pick::any, false, true},
    {"23", Kind::scatter, Role::variants, XAxis::set, Split::families, Pick::any, false, true},
    {"24", Kind::scatter, Role::probe_variants, XAxis::set, Split::families, Pick::any, false, true},
    {"25a", Kind::bars, Role::fewshot_low, XAxis::set, Split::families, Pick::one_epoch},
    {"25b", Kind::bars, Role::fewshot_high, XAxis::set, Split::families, Pick::one_epoch},
    {"26", Kind::scatter, Role::variants, XAxis::set, Split::strategies, Pick::any, false, true},
    {"27", Kind::scatter, Role::probe_variants, XAxis::set, Split::strategies, Pick::any, false, true},
};
// clang-format on

constexpr std::size_t kMostSets = 8;                                   // of which each has panels of its own
constexpr std::array kBarSizes{25e6, 50e6, 100e6, 400e6, 1e9, 3.4e9};  // of figures 8a, 11a, 11b …

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

bool near(double a, double b, double share = 0.02) {
  return std::abs(a - b) <= share * std::max(std::abs(a), std::abs(b));
}
bool once(const StudyPoint& p) { return near(p.epochs(), 1, 0.05); }

std::string plain(const std::string& text) {
  std::string letters;
  for (const char c : text) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
  }
  return letters;
}

// Networks that are no ViT are told by their names.
bool is_other_family(const std::string& tower) {
  const std::string name = plain(tower);
  return std::ranges::any_of(std::array{"resnet", "rn", "r50", "r101", "swin", "convnext", "cnx", "mixer"},
                             [&](const char* start) { return name.starts_with(start); });
}

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

std::string capital(std::string text) {
  if (!text.empty()) text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
  return text;
}

std::string error_words(const RoleMeasure& measure) {
  return measure.is_recall() ? "1 - recall@1, " + measure.how : measure.how + " error";
}
std::string accuracy_words(const RoleMeasure& measure) {
  return measure.is_recall() ? "recall@1, " + measure.how : measure.how + " accuracy";
}

const char* x_words(XAxis x) {
  switch (x) {
    case XAxis::compute:
      return "compute: forward multiply-adds (1e9)";
    case XAxis::set:
      return "distinct pairs";
    case XAxis::epochs:
      return "times each pair is seen";
    case XAxis::quality:
      return "share of the data, best pairs first";
  }
  return "";
}

const char* split_words(Split split) {
  switch (split) {
    case Split::towers:
      return ", by tower";
    case Split::families:
      return ", by network family";
    case Split::strategies:
      return ", by strategy";
    case Split::augmentations:
      return ", by augmentation";
    default:
      return "";
  }
}

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
  }
  return 0;
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

class Drawer {
 public:
  Drawer(const Roles& roles, const CatalogueOptions& options)
      : roles_(roles), options_(options), base_(base_strategy(roles)) {
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

  PaperFigures all() {
    for (const Panel& panel : catalogue()) {
      if (panel.each_set) {
        draw_each_set(panel);
      } else {
        draw(panel, panel.number, measure_of(panel.role), words_of(panel.role));
      }
    }
    return std::move(drawn_);
  }

 private:
  static void number(std::map<std::string, int>& colours, const std::string& name) {
    colours.emplace(name, static_cast<int>(colours.size()));
  }

  const RoleMeasure* measure_of(Role role) const {
    const auto found = roles_.measures.find(role);
    return found == roles_.measures.end() ? nullptr : &found->second;
  }

  void refuse(const std::string& number, const std::string& reason) { drawn_.not_drawn.push_back({number, reason}); }

  void draw_each_set(const Panel& panel) {
    const bool probe = panel.role == Role::probe_variants;
    const std::vector<RoleMeasure>& sets = probe ? roles_.probe_variants : roles_.variants;
    if (sets.empty()) {
      refuse(panel.number, std::string("no ") + words_of(panel.role) + ", set by set");
      return;
    }
    if (sets.size() > kMostSets) {
      refuse(panel.number, fmt::format("of {} sets, which are too many, the first {} alone", sets.size(), kMostSets));
    }
    for (std::size_t i = 0; i < std::min(sets.size(), kMostSets); ++i) {
      const std::string number = panel.number + std::string(1, static_cast<char>('a' + i));
      if (panel.kind == Kind::scatter) {
        draw_scatter(panel, number, *measure_of(probe ? Role::probe : Role::zeroshot), sets[i]);
      } else {
        draw(panel, number, &sets[i], "");
      }
    }
  }

  // ---- which points ----

  Points candidates(const Panel& panel, const std::vector<StudyPoint>& points, const std::string& tower) const {
    Points found;
    const bool families = panel.split == Split::families;
    const std::string vit = families ? vit_among(points) : "";
    for (const StudyPoint& p : points) {
      if (p.quality < 1 || (panel.x == XAxis::compute && !(p.gmacs > 0))) continue;
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
  std::string vit_among(const std::vector<StudyPoint>& points) const {
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

  std::string key_of(const Panel& panel, const StudyPoint& p) const {
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

  int colour_of(const Panel& panel, const StudyPoint& p) const {
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

  Points picked(const Panel& panel, const Points& points) const {
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

  std::vector<Line> lines_of(const Panel& panel, const Points& points) const {
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
  std::vector<Line> quality_lines(const Panel& panel, const std::vector<StudyPoint>& points) const {
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

  static int most_runs(const std::vector<Line>& lines) {
    int most = 1;
    for (const Line& line : lines) {
      for (const StudyPoint* p : line.points) most = std::max(most, p->runs);
    }
    return most;
  }

  static std::size_t distinct_x(const Panel& panel, const std::vector<Line>& lines) {
    std::set<double> values;
    for (const Line& line : lines) {
      for (const StudyPoint* p : line.points) values.insert(x_of(*p, panel.x));
    }
    return values.size();
  }

  static std::size_t most_in_a_line(const std::vector<Line>& lines) {
    std::size_t most = 0;
    for (const Line& line : lines) most = std::max(most, line.points.size());
    return most;
  }

  // Whether the lines answer what the panel asks.
  std::string complaint(const Panel& panel, const std::vector<Line>& lines) const {
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
    switch (panel.pick) {
      case Pick::several_epochs:
        return "no set that was seen for several numbers of epochs";
      case Pick::same_samples:
        return "no two sizes of data with as many samples";
      default:
        return "no two sizes of data in one epoch";
    }
  }

  Drawn drawn_lines(const Panel& panel, const std::vector<StudyPoint>& points) const {
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

  // ---- as a figure ----

  Figure form_of(const Panel& panel, const std::string& number, const char* what) const {
    Figure figure;
    std::size_t digits = 0;
    while (digits < number.size() && std::isdigit(static_cast<unsigned char>(number[digits])) != 0) ++digits;
    figure.id = fmt::format("fig{:0>2}{}_{}", number.substr(0, digits), number.substr(digits), what);
    figure.percent = true;
    figure.log_x = figure.log_y = panel.log;
    figure.fitted = !panel.log;
    return figure;
  }

  std::string note_of(const Panel& panel, const std::string& number, const Drawn& drawn,
                      const RoleMeasure& measure) const {
    std::string which;
    const StudyPoint* some = drawn.lines.front().points.front();
    switch (panel.pick) {
      case Pick::one_epoch:
        which = "each pair seen once";
        break;
      case Pick::same_samples:
        which = short_count(some->samples) + " samples for all";
        break;
      case Pick::equal_epochs:
        which = fmt::format("{:.3g} epochs for all", some->epochs());
        break;
      default:
        break;
    }
    for (const std::string& word : {drawn.which, measure.sets.empty() ? "" : "mean of " + measure.sets}) {
      if (!word.empty()) which += (which.empty() ? "" : "; ") + word;
    }
    std::string note = capital(which);
    if (const int runs = most_runs(drawn.lines); runs > 1) {
      note += fmt::format(". Error bars: half the range over {} seeds", runs);
    }
    return note + ". After figure " + number + ".";
  }

  static void take(Series& series, double x, double y, double spread) {
    series.x.push_back(x);
    series.y.push_back(y);
    series.spread.push_back(spread);
  }

  static void tidy(Series& series) {  // no error bars where no seed was repeated
    const auto none = [](double value) { return value == 0; };
    if (std::ranges::all_of(series.spread, none)) series.spread.clear();
    if (std::ranges::all_of(series.x_spread, none)) series.x_spread.clear();
  }

  static Series front_of(const std::vector<Line>& lines) {
    Points order;
    for (const Line& line : lines) order.insert(order.end(), line.points.begin(), line.points.end());
    std::ranges::stable_sort(order, {}, [](const StudyPoint* p) { return p->total_gmacs(); });
    Series front;
    front.name = "Pareto front";
    front.colour = kGrey;
    front.band = true;
    double least = 2;
    for (const StudyPoint* p : order) {
      if (p->error >= least) continue;
      least = p->error;
      front.x.push_back(p->total_gmacs());
      front.y.push_back(p->error);
    }
    return front;
  }

  void draw(const Panel& panel, const std::string& number, const RoleMeasure* measure, const std::string& missing) {
    if (measure == nullptr) {
      refuse(number, "no " + missing);
      return;
    }
    const Drawn drawn = drawn_lines(panel, measure->points);
    if (!drawn.reason.empty()) {
      refuse(number, drawn.reason);
      return;
    }
    Figure figure =
        panel.kind == Kind::bars ? bars(panel, number, drawn, *measure) : curves(panel, number, drawn, *measure);
    figure.note = note_of(panel, number, drawn, *measure);
    if (measure->as_paper) lay_over(panel, number, drawn, figure);
    drawn_.figures.push_back(std::move(figure));
  }

  static Figure axes(const Panel& panel, Figure figure) {
    figure.x_name = x_words(panel.x);
    figure.percent_x = panel.x == XAxis::quality;
    figure.log_x = figure.log_x || panel.x == XAxis::epochs;
    if (panel.x == XAxis::compute) figure.ticks = Ticks::powers;
    if (panel.x == XAxis::set) figure.ticks = Ticks::counts;
    return figure;
  }

  Figure curves(const Panel& panel, const std::string& number, const Drawn& drawn, const RoleMeasure& measure) const {
    constexpr std::array kWords{"compute", "data", "epochs", "quality"};
    Figure figure = axes(panel, form_of(panel, number, kWords[static_cast<std::size_t>(panel.x)]));
    figure.y_name = error_words(measure);
    const std::string x_short = panel.x == XAxis::compute ? "compute" : x_words(panel.x);
    figure.title = fmt::format("{}, {}, against {}{}", capital(error_words(measure)), measure.name, x_short,
                               panel.x == XAxis::quality ? "" : split_words(panel.split));
    for (const Line& line : drawn.lines) {
      Series series;
      series.name = line.name;
      series.colour = line.colour;
      series.points = true;
      for (const StudyPoint* p : line.points) take(series, x_of(*p, panel.x), p->error, p->spread);
      tidy(series);
      figure.series.push_back(std::move(series));
    }
    if (panel.x == XAxis::compute) figure.series.push_back(front_of(drawn.lines));
    return figure;
  }

  static std::vector<double> bar_sizes(const std::vector<Line>& lines) {
    std::set<double> sizes;
    for (const Line& line : lines) {
      for (const StudyPoint* p : line.points) sizes.insert(p->set);
    }
    std::vector<double> all(sizes.begin(), sizes.end());
    if (all.size() <= 7) return all;
    std::vector<double> papers;
    for (const double size : kBarSizes) {
      const auto found = std::ranges::find_if(all, [&](double one) { return near(one, size); });
      if (found != all.end()) papers.push_back(*found);
    }
    if (papers.size() == kBarSizes.size()) return papers;
    std::vector<double> some;
    for (std::size_t i = 0; i < 6; ++i) some.push_back(all[i * (all.size() - 1) / 5]);
    return some;
  }

  Figure bars(const Panel& panel, const std::string& number, const Drawn& drawn, const RoleMeasure& measure) const {
    Figure figure = form_of(panel, number, "bars");
    figure.log_x = figure.log_y = figure.fitted = false;
    figure.x_name = panel.pick == Pick::one_epoch ? "distinct pairs, each seen once" : "distinct pairs";
    figure.y_name = accuracy_words(measure);
    figure.title = fmt::format("{}, {}{}", capital(accuracy_words(measure)), measure.name, split_words(panel.split));
    const std::vector<double> sizes = bar_sizes(drawn.lines);
    for (const double size : sizes) figure.categories.push_back(short_count(size));
    for (const Line& line : drawn.lines) {
      Series series;
      series.name = line.name;
      series.colour = line.colour;
      for (const StudyPoint* p : line.points) {
        const auto at = std::ranges::find(sizes, p->set);
        if (at != sizes.end()) take(series, static_cast<double>(at - sizes.begin()), 1 - p->error, p->spread);
      }
      tidy(series);
      if (!series.x.empty()) figure.series.push_back(std::move(series));
    }
    return figure;
  }

  void draw_scatter(const Panel& panel, const std::string& number, const RoleMeasure& main, const RoleMeasure& other) {
    const Robustness robust = robustness_of(main, other, base_, options_.scale);
    const Drawn drawn = drawn_lines(panel, other.points);
    if (!drawn.reason.empty()) {
      refuse(number, drawn.reason);
      return;
    }
    Figure figure = form_of(panel, number, "robustness");
    figure.percent_x = true;
    figure.x_name = main.how + " accuracy, " + main.name;
    figure.y_name = main.how + " accuracy, " + other.name;
    figure.title = fmt::format("Robustness, {}: accuracy on {} against that on {}{}", other.how, other.name, main.name,
                               split_words(panel.split));
    double least = 1, most = 0;
    for (const Line& line : drawn.lines) {
      Series series;
      series.name = line.name;
      series.colour = line.colour;
      series.line = false;
      for (const StudyPoint* p : line.points) {
        const auto at =
            std::ranges::find_if(robust.points, [&](const RobustPoint& one) { return same_run(one.run, *p); });
        if (at == robust.points.end()) continue;
        take(series, at->main, at->other, p->spread);
        series.x_spread.push_back(at->main_spread);
        least = std::min(least, at->main);
        most = std::max(most, at->main);
      }
      tidy(series);
      if (!series.x.empty()) figure.series.push_back(std::move(series));
    }
    figure.note = capital(drawn.which.empty() ? "" : drawn.which + ". ");
    if (robust.fit && most > least) {
      Series fit;
      fit.name = robust.baseline == "all runs" ? "fit: all runs" : "fit: " + base_;
      fit.colour = kGrey;
      fit.dashed = true;
      for (int i = 0; i <= 40; ++i) {
        const double x = least + (most - least) * i / 40;
        fit.x.push_back(x);
        fit.y.push_back((*robust.fit)(x));
      }
      figure.series.push_back(std::move(fit));
      figure.note += fmt::format(
          "Dashed: least squares on {} axes through {} {}, slope {:.2f}, R² {:.3f}; what lies above "
          "it is effective robustness. ",
          name_of(robust.fit->scale), robust.fit->points, robust.baseline, robust.fit->slope, robust.fit->r2);
    }
    if (const int runs = most_runs(drawn.lines); runs > 1) {
      figure.note += fmt::format("Error bars: half the range over {} seeds. ", runs);
    }
    figure.note += "After figure " + number + ".";
    drawn_.figures.push_back(std::move(figure));
  }

  // ---- the paper's points ----

  void lay_over(const Panel& panel, const std::string& number, const Drawn& drawn, Figure& figure) const {
    const auto found = options_.overlay.find(number);
    if (found == options_.overlay.end()) return;
    std::map<std::string, Series> lines;
    std::vector<std::string> order;
    for (const StudyPoint& p : found->second) {
      const bool by_strategy = panel.split == Split::strategies || panel.split == Split::augmentations;
      const std::string name = panel.split == Split::sets ? short_count(p.set) + " pairs"
                               : by_strategy              ? p.strategy
                               : panel.split == Split::everything && p.strategy != "clip" ? p.tower + ", " + p.strategy
                                                                                          : p.tower;
      const auto same = std::ranges::find_if(drawn.lines, [&](const Line& line) {
        return panel.split == Split::sets ? near(line.points.front()->set, p.set)
                                          : comparable(line.name) == comparable(name);
      });
      // A reading is about 0.3 points off, of a marker that is partly hidden 1.
      const double reading = p.confidence == 'L' ? 0.01 : 0.003;
      double x = x_of(p, panel.x), y = p.error;
      if (panel.kind == Kind::bars) {  // only beside a bar of ours
        const auto group = std::ranges::find(figure.categories, short_count(p.set));
        const auto series = std::ranges::find_if(
            figure.series, [&](const Series& one) { return comparable(one.name) == comparable(name); });
        if (group == figure.categories.end() || series == figure.series.end()) continue;
        const auto count = static_cast<double>(figure.series.size());
        x = static_cast<double>(group - figure.categories.begin()) +
            (static_cast<double>(series - figure.series.begin()) - 0.5 * (count - 1)) * 0.8 / count;
        y = 1 - p.error;
      }
      if (!lines.contains(name)) order.push_back(name);
      Series& line = lines[name];
      line.name = "paper: " + name;
      line.shape = same == drawn.lines.end() ? 0 : same->colour % 6;
      take(line, x, y, reading);
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

  const Roles& roles_;
  const CatalogueOptions& options_;
  std::string base_;
  std::map<std::string, int> tower_colours_, strategy_colours_, pair_colours_;
  std::map<double, int> set_colours_;
  PaperFigures drawn_;
};

}  // namespace

std::span<const Panel> catalogue() { return kCatalogue; }

std::string base_strategy(const Roles& roles) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [role, measure] : roles.measures) {
    for (const StudyPoint& point : measure.points) ++counts[point.strategy];
  }
  if (counts.contains("clip") || counts.empty()) return "clip";
  return std::ranges::max_element(counts, {}, [](const auto& one) { return one.second; })->first;
}

PaperFigures paper_figures(const Roles& roles, const CatalogueOptions& options) { return Drawer(roles, options).all(); }

std::vector<NotDrawn> grouped(std::span<const NotDrawn> not_drawn) {
  std::vector<NotDrawn> groups;
  for (const NotDrawn& one : not_drawn) {
    const auto found = std::ranges::find(groups, one.reason, &NotDrawn::reason);
    if (found == groups.end()) {
      groups.push_back(one);
    } else {
      found->id += ", " + one.id;
    }
  }
  return groups;
}

}  // namespace clip_hpc
