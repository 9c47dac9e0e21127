#include "postprocess/points/catalogue.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <functional>
#include <optional>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "postprocess/points/panel_lines.hpp"

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

class Drawer {
 public:
  Drawer(const Roles& roles, const CatalogueOptions& options)
      : roles_(roles), options_(options), base_(base_strategy(roles)), panel_lines_(roles, base_) {}

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
    const Drawn drawn = panel_lines_.of(panel, measure->points);
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
    const Drawn drawn = panel_lines_.of(panel, other.points);
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
  PanelLines panel_lines_;
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
