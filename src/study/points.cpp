#include "clip_hpc/study/points.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

bool matches(const Rule& rule, const std::map<std::string, std::string>& labels) {
  return std::ranges::all_of(rule.when, [&](const Term& term) {
    const bool is_named = std::ranges::find(term.labels, labels.at(term.axis)) != term.labels.end();
    return is_named != term.is_negated;
  });
}

// Groups of axes that advance together; every axis is in exactly one.
std::vector<std::vector<std::string>> groups_of(const GridBlock& block) {
  std::vector<std::vector<std::string>> groups;
  for (const PairedAxes& pair : block.pairs) groups.push_back(pair.axes);
  for (const auto& pick : block.picks) {
    const std::string& name = pick.first;
    const bool is_paired =
        std::ranges::any_of(groups, [&](const auto& group) { return std::ranges::find(group, name) != group.end(); });
    if (!is_paired) groups.push_back({name});
  }
  return groups;
}

}  // namespace

std::vector<Point> expand(const Grid& grid) {
  std::vector<Point> points;
  std::set<int> used_rules;
  for (const GridBlock& block : grid.blocks) {
    const std::vector<std::vector<std::string>> groups = groups_of(block);
    const auto labels_of = [&](const std::string& name) -> const std::vector<std::string>& {
      return std::ranges::find_if(block.picks, [&](const auto& pick) { return pick.first == name; })->second;
    };
    std::map<std::string, std::string> chosen;
    for (const Axis& axis : grid.axes) chosen[axis.name] = axis.values.front().label;
    const std::size_t before = points.size();

    const auto add_point = [&] {
      std::vector<const Rule*> overrides;
      bool is_skipped = false;
      for (const auto* rules : {&grid.rules, &block.rules}) {
        for (const Rule& rule : *rules) {
          if (!matches(rule, chosen)) continue;
          used_rules.insert(rule.line);
          if (rule.skips) is_skipped = true;
          if (!rule.skips) overrides.push_back(&rule);
        }
      }
      if (is_skipped) return;
      Point point{.block = block.name, .labels = {}, .settings = grid.settings, .line = block.line};
      std::map<std::string, std::string> set_by;
      for (const Axis& axis : grid.axes) {
        const std::string& label = chosen[axis.name];
        point.labels.push_back(label);
        const AxisValue& value = *std::ranges::find(axis.values, label, &AxisValue::label);
        for (const auto& setting : value.settings) {
          const std::string& key = setting.first;
          const bool is_decided =
              std::ranges::any_of(overrides, [&](const auto* r) { return r->settings.contains(key); });
          if (const auto [other, is_new] = set_by.emplace(key, axis.name); !is_new && !is_decided) {
            throw at_line(grid.file, value.line,
                          fmt::format("axes {} and {} both set {}: which one holds is for an override rule to say",
                                      other->second, axis.name, key));
          }
        }
        lay_over(value.settings, point.settings);
      }
      for (const Rule* rule : overrides) lay_over(rule->settings, point.settings);
      points.push_back(std::move(point));
    };
    const std::function<void(std::size_t)> choose = [&](std::size_t group) {
      if (group == groups.size()) return add_point();
      for (std::size_t i = 0; i < labels_of(groups[group].front()).size(); ++i) {
        for (const std::string& name : groups[group]) chosen[name] = labels_of(name)[i];
        choose(group + 1);
      }
    };
    choose(0);
    if (points.size() == before) {
      throw at_line(grid.file, block.line, fmt::format("[grid {}] has no cell left after its rules", block.name));
    }
  }
  for (const auto* rules : {&grid.rules}) {
    for (const Rule& rule : *rules) {
      if (!used_rules.contains(rule.line)) throw at_line(grid.file, rule.line, "this rule applies to no cell");
    }
  }
  for (const GridBlock& block : grid.blocks) {
    for (const Rule& rule : block.rules) {
      if (!used_rules.contains(rule.line)) throw at_line(grid.file, rule.line, "this rule applies to no cell");
    }
  }
  return points;
}

}  // namespace clip_hpc
