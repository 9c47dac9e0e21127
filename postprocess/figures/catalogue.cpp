#include "postprocess/figures/catalogue.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "postprocess/figures/panel_figures.hpp"

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
    // Not the paper's: equal multiply-adds are not equal time.
    {"8t", Kind::lines, Role::zeroshot, XAxis::time, Split::towers, Pick::one_epoch, true},
    {"12t", Kind::lines, Role::zeroshot, XAxis::time, Split::families, Pick::one_epoch, true},
    {"16t", Kind::lines, Role::zeroshot, XAxis::time, Split::strategies, Pick::one_epoch, true},
};
// clang-format on

constexpr std::size_t kMostSets = 8;  // of which each has panels of its own

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
      draw(panel, panel.number + std::string(1, static_cast<char>('a' + i)), &sets[i], "");
    }
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
    drawn_.figures.push_back(figure_of({panel, number, drawn, *measure}));
  }

  Figure figure_of(const PanelData& data) const {
    if (data.panel.kind == Kind::scatter) {
      const RoleMeasure& main = *measure_of(data.panel.role == Role::probe_variants ? Role::probe : Role::zeroshot);
      return robustness_figure(data, main, robustness_of(main, data.measure, base_, options_.scale), base_);
    }
    Figure figure = data.panel.kind == Kind::bars ? bar_figure(data) : curve_figure(data);
    figure.note = panel_note(data);
    if (data.measure.as_paper) overlay_paper(data, options_.overlay, figure);
    return figure;
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
