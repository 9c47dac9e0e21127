#include "clip_hpc/study/plan_table.hpp"

#include <algorithm>

namespace clip_hpc {

std::string short_number(double value) {
  const char* unit = "";
  for (const char* next : {"k", "M", "B"}) {
    if (value < 1000) break;
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:.5g}{}", value, unit);
}

std::string short_bytes(double bytes) {
  const char* unit = "B";
  for (const char* next : {"KiB", "MiB", "GiB", "TiB", "PiB"}) {
    if (bytes < 1024) break;
    bytes /= 1024;
    unit = next;
  }
  return fmt::format("{:.3g} {}", bytes, unit);
}

std::string plan_table(const Plan& plan) {
  std::size_t width = 4;
  for (const Cell& cell : plan.cells) width = std::max(width, cell.name.size());
  const bool has_rate = std::ranges::any_of(plan.cells, [](const Cell& cell) { return cell.gpu_hours > 0; });
  std::string text = fmt::format("{:<{}} {:>9} {:>9} {:>8} {:>10} {:>10} {:>10} {:>9}  {}\n", "cell", width, "set",
                                 "samples", "GMAC", "PMAC", "EFLOP", "GPU h", "storage", "class");
  double hours = 0, saved_flops = 0, saved_hours = 0, bytes = plan.subset_bytes, macs = 0, later_hours = 0;
  std::int64_t later = 0;
  std::map<std::string, int> reasons;
  for (const Cell& cell : plan.cells) {
    text += fmt::format("{:<{}} {:>9} {:>9} {:>8.4g} {:>10.4g} {:>10.4g} {:>10} {:>9}  {}\n", cell.name, width,
                        short_number(static_cast<double>(cell.set_samples)),
                        short_number(static_cast<double>(cell.samples)), cell.macs / 1e9, cell.total_macs() / 1e15,
                        cell.total_flops() / 1e18, has_rate ? fmt::format("{:.3g}", cell.gpu_hours) : "?",
                        short_bytes(cell.storage_bytes),
                        cell.not_yet.empty() ? cell.size_class : "NOT YET: " + cell.not_yet);
    macs += cell.total_macs();
    if (cell.fork) {
      saved_flops += cell.total_flops() - cell.own_flops();
      saved_hours += cell.gpu_hours * (cell.total_flops() / cell.own_flops() - 1);
    }
    if (cell.not_yet.empty()) {
      hours += cell.gpu_hours;
      bytes += cell.storage_bytes;
    } else {
      ++later;
      later_hours += cell.gpu_hours;
      ++reasons[cell.not_yet];
    }
  }
  text += "\n";
  for (const GridBlock& block : plan.grid.blocks) {
    std::int64_t count = 0;
    for (const Cell& cell : plan.cells) {
      count += std::ranges::count(cell.points, block.name, &CellPoint::block);
    }
    text += fmt::format("grid {:<12} {:>4} points\n", block.name, count);
  }
  text +=
      fmt::format("{} cells ({} points, {} of them shared), {:.4g} PMAC forward, {:.4g} EFLOP with backward\n",
                  plan.cells.size(), plan.points, plan.points - std::ssize(plan.cells), macs / 1e15, 6 * macs / 1e18);
  if (saved_flops > 0) {
    text += fmt::format(
        "{} cells fork from a longer one at their cool-down: {:.4g} EFLOP{} are trained once in place of twice or more "
        "({:.0f} % of the whole)\n",
        std::ranges::count_if(plan.cells, [](const Cell& cell) { return cell.fork.has_value(); }), saved_flops / 1e18,
        saved_hours > 0 ? fmt::format(", {:.3g} GPU hours,", saved_hours) : "", 100 * saved_flops / (6 * macs));
  }
  if (later > 0) {
    text +=
        fmt::format("{} cells this build cannot train yet: submit leaves them out ({:.4g} GPU hours of the whole)\n",
                    later, later_hours);
    for (const auto& [reason, count] : reasons) text += fmt::format("  {:>4} with {}\n", count, reason);
  }
  text += has_rate ? fmt::format("{} cells to train: {:.4g} GPU hours, {} of checkpoints and subsets\n",
                                 std::ssize(plan.cells) - later, hours, short_bytes(bytes))
                   : fmt::format(
                         "{} cells to train, {} of checkpoints and subsets. GPU hours: give --rate FILE of "
                         "`clip_hpc bench step --json FILE`, or [study] tflops\n",
                         std::ssize(plan.cells) - later, short_bytes(bytes));
  for (const std::string& note : plan.notes) text += "note: " + note + "\n";
  return text;
}

Json plan_json(const Plan& plan) {
  Json cells = Json::array();
  for (const Cell& cell : plan.cells) {
    Json points = Json::array();
    for (const CellPoint& point : cell.points) {
      Json labels = Json::object();
      for (std::size_t i = 0; i < plan.axes.size(); ++i) labels[plan.axes[i]] = point.labels[i];
      points.push_back({{"grid", point.block}, {"labels", std::move(labels)}});
    }
    cells.push_back(
        {{"name", cell.name},
         {"class", cell.size_class},
         {"not_yet", cell.not_yet},
         {"points", std::move(points)},
         {"subset", cell.subset ? cell.subset->name : ""},
         {"fork", cell.fork
                      ? Json{{"trunk", cell.fork->trunk}, {"step", cell.fork->step}, {"samples", cell.fork->samples}}
                      : Json()},
         {"fraction", cell.subset ? cell.subset->fraction : 1.0},
         {"set_samples", cell.set_samples},
         {"samples", cell.samples},
         {"macs", cell.macs},
         {"parameters", cell.parameters},
         {"gpu_hours", cell.gpu_hours},
         {"storage_bytes", cell.storage_bytes}});
  }
  Json classes = Json::array();
  for (const SizeClass& size : plan.grid.classes) {
    classes.push_back({{"name", size.name},
                       {"nodes", size.nodes},
                       {"ranks_per_node", size.ranks_per_node},
                       {"cpus_per_rank", size.cpus_per_rank},
                       {"time", size.time},
                       {"limit", size.limit}});
  }
  Json stages = Json::array({"train"});
  for (const Stage& stage : plan.grid.stages) stages.push_back(stage.name);
  return {{"schema_version", 1},
          {"study", plan.grid.name},
          {"grid", plan.grid.file.native()},
          {"attempts", plan.grid.attempts},
          {"axes", plan.axes},
          {"stages", std::move(stages)},
          {"classes", std::move(classes)},
          {"cells", std::move(cells)}};
}

}  // namespace clip_hpc
