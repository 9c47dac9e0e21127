#include "clip_hpc/study/plan.hpp"
#include "clip_hpc/study/points.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>

#include "clip_hpc/study/vit_cost.hpp"

namespace clip_hpc {
namespace {

double number_of(const Settings& settings, const std::string& key) { return std::stod(value_of(settings, key)); }
std::int64_t whole_of(const Settings& settings, const std::string& key) { return std::stoll(value_of(settings, key)); }

// PATH or PATH@weight
std::pair<std::string, std::int64_t> weighted(const std::string& text) {
  const auto at = text.rfind('@');
  if (at == std::string::npos || text.find_first_not_of("0123456789", at + 1) != std::string::npos ||
      at + 1 == text.size()) {
    return {text, 1};
  }
  return {text.substr(0, at), std::stoll(text.substr(at + 1))};
}

class Planner {
 public:
  Planner(const Grid& grid, const RateTable& rates, const Abilities& abilities) : rates_(rates), abilities_(abilities) {
    plan_.grid = grid;
  }

  Plan run() {
    for (const Axis& axis : grid().axes) plan_.axes.push_back(axis.name);
    const std::vector<Point> points = expand(grid());
    plan_.points = std::ssize(points);
    for (const Point& point : points) add(point);
    give_names();
    for (Cell& cell : plan_.cells) account(cell);
    return std::move(plan_);
  }

 private:
  const Grid& grid() const { return plan_.grid; }
  template <class... Args>
  [[noreturn]] void fail(int line, fmt::format_string<Args...> format, Args&&... args) const {
    throw at_line(grid().file, line, fmt::format(format, std::forward<Args>(args)...));
  }
  void note(const std::string& text) {
    if (std::ranges::find(plan_.notes, text) == plan_.notes.end()) plan_.notes.push_back(text);
  }
  std::string label_text(const Point& point) const {
    std::string text;
    for (std::size_t i = 0; i < point.labels.size(); ++i) {
      text += fmt::format("{}{}={}", i == 0 ? "" : " ", plan_.axes[i], point.labels[i]);
    }
    return text;
  }
  bool may_be_unknown(const Point& point) const {
    return std::ranges::any_of(grid().not_yet, [&](const auto& one) {
      const auto axis = std::ranges::find(plan_.axes, one.first) - plan_.axes.begin();
      return point.labels[static_cast<std::size_t>(axis)] == one.second;
    });
  }

  // Samples of a packed set: those of its dataset.json, or what the grid says of a set that is not here yet.
  std::int64_t count_of(const std::string& set, int line) {
    const std::filesystem::path about = std::filesystem::path(set) / "dataset.json";
    if (const auto known = counts_.find(set); known != counts_.end()) return known->second;
    std::int64_t count = grid().train_count;
    if (std::filesystem::exists(about)) {
      count = read_json_file(about).value("count", std::int64_t{0});
      if (grid().train_count != 0 && grid().train_count != count) {
        note(fmt::format("{} holds {} samples, not train_count = {}", set, count, grid().train_count));
      }
    } else if (count == 0) {
      fail(line, "{} is not there, so its number of samples is unknown: pack it, or say [study] train_count = …", set);
    } else {
      note(
          fmt::format("{} is not there yet; taken to hold train_count = {} samples", set, short_number(double(count))));
    }
    return counts_[set] = count;
  }

  void add(const Point& point) {
    Cell cell{.name = "",
              .points = {{point.block, point.labels}},
              .settings = point.settings,
              .subset = {},
              .not_yet = "",
              .size_class = "",
              .line = point.line};
    for (const auto& [key, values] : cell.settings) {
      const ConfigKey* known = find_config_key(key);
      if (known == nullptr) continue;  // study.*
      for (const std::string& value : values) {
        const std::string problem = complaint_about(*known, value);
        if (problem.empty()) continue;
        if (!may_be_unknown(point)) fail(point.line, "[grid {}], {}: {}", point.block, label_text(point), problem);
        cell.not_yet = fmt::format("{} = {}", key, value);
      }
    }
    resolve_samples(cell, point);
    resolve_model(cell, point);
    // The same configuration: the same cell. "Equal samples" over the whole set is one epoch of it, for example.
    const auto same = std::ranges::find_if(
        plan_.cells, [&](const Cell& other) { return other.settings == cell.settings && other.subset == cell.subset; });
    if (same == plan_.cells.end()) {
      plan_.cells.push_back(std::move(cell));
    } else {
      same->points.push_back(cell.points.front());
    }
  }

  void resolve_samples(Cell& cell, const Point& point) {
    Settings& settings = cell.settings;
    const auto sets = settings.find("data.train");
    if (sets == settings.end() || sets->second.empty()) {
      fail(grid().settings_line, "data.train is not set: name a packed set in [set]");
    }
    std::int64_t full = 0, epoch = 0;
    for (const std::string& text : sets->second) {
      const auto [path, weight] = weighted(text);
      full += count_of(path, point.line);
      epoch += count_of(path, point.line) * weight;
    }
    cell.set_samples = full;
    const bool has_count = settings.contains("study.count"), has_fraction = settings.contains("study.fraction");
    const double fraction = has_fraction ? std::stod(settings["study.fraction"].back()) : 1;
    std::int64_t count = has_count ? std::stoll(settings["study.count"].back()) : 0;
    const auto pool = static_cast<std::int64_t>(std::floor(static_cast<double>(full) * fraction));
    if (count > pool) {
      fail(point.line, "[grid {}], {}: study.count = {}, but there are {} samples{}", point.block, label_text(point),
           count, pool, fraction < 1 ? " in that fraction" : "");
    }
    if (count == pool) count = 0;
    if (count > 0 || fraction < 1) {
      if (sets->second.size() != 1 || weighted(sets->second.front()).second != 1) {
        fail(point.line, "a subset needs exactly one data.train, without a weight");
      }
      if (fraction < 1 && grid().scores.empty()) {
        fail(point.line, "study.fraction needs [study] scores = FILE, the scores of data.train");
      }
      if (fraction < 1 && !abilities_.filters_by_score) {
        if (!may_be_unknown(point)) fail(point.line, "study.fraction: this build's clip_hpc filter has no --keep");
        cell.not_yet = "study.fraction (clip_hpc filter has no --keep)";
      }
      cell.set_samples = count > 0 ? count : pool;
      Subset subset{.name = "",
                    .data = sets->second.front(),
                    .count = count,
                    .fraction = fraction,
                    .scores = fraction < 1 ? grid().scores : ""};
      const std::string top = fraction < 1 ? fmt::format("top{:g}", 100 * fraction) : "";
      const std::string size = count > 0 ? short_number(static_cast<double>(count)) : "";
      subset.name = top + (top.empty() || size.empty() ? "" : "_") + size;
      if (std::ranges::find(plan_.subsets, subset) == plan_.subsets.end()) {
        while (std::ranges::find(plan_.subsets, subset.name, &Subset::name) != plan_.subsets.end()) subset.name += "b";
        plan_.subsets.push_back(subset);
        plan_.subset_bytes += 24.0 * static_cast<double>(cell.set_samples);  // an id and two words of uid
      }
      cell.subset = subset;
      epoch = cell.set_samples;
    }
    settings.erase("study.count");
    settings.erase("study.fraction");
    // Always as samples, so that the two ways of saying the same length are the same configuration.
    const std::int64_t asked = whole_of(settings, "train.samples");
    cell.samples = asked > 0 ? asked : std::llround(number_of(settings, "train.epochs") * static_cast<double>(epoch));
    settings["train.samples"] = {std::to_string(cell.samples)};
    settings.erase("train.epochs");
    const std::int64_t batch = whole_of(settings, "train.global_batch");
    if (cell.samples < batch) {
      fail(point.line, "[grid {}], {}: {} samples are less than one step of train.global_batch = {}", point.block,
           label_text(point), cell.samples, batch);
    }
    const double warmup = number_of(settings, "optim.warmup");
    const std::int64_t steps = (cell.samples + batch - 1) / batch;
    if (warmup >= 1 && warmup >= static_cast<double>(steps)) {
      fail(point.line,
           "[grid {}], {}: optim.warmup = {} steps, but the cell has {}; write a share below 1, or an override rule",
           point.block, label_text(point), warmup, steps);
    }
  }

  void resolve_model(Cell& cell, const Point& point) {
    Settings& settings = cell.settings;
    const auto taken = [&](const char* key) {
      const auto found = settings.find(key);
      const double value = found == settings.end() ? 0 : std::stod(found->second.back());
      settings.erase(key);
      return value;
    };
    const double cost = taken("study.cost"), gmacs = taken("study.gmacs"), mparams = taken("study.mparams");
    const std::string path = value_of(settings, "model.config");
    try {
      const ModelConfig model = read_model_config(path);
      std::int64_t kept = model.vision.patches();
      if (value_of(settings, "strategy.name") == "flip") {
        const double share = 1.0 - number_of(settings, "strategy.mask_ratio");
        kept = std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(kept) * share));
      }
      cell.macs = forward_macs(model, kept, model.text.context_length);
      cell.parameters = static_cast<double>(parameter_count(model));
    } catch (const Error& problem) {
      if (!may_be_unknown(point)) fail(point.line, "[grid {}], {}: {}", point.block, label_text(point), problem.what());
      if (gmacs == 0 || mparams == 0) {
        fail(point.line, "[grid {}], {}: study.gmacs and study.mparams are needed while {} cannot be read", point.block,
             label_text(point), path);
      }
      cell.macs = gmacs * 1e9;
      cell.parameters = mparams * 1e6;
      if (cell.not_yet.empty()) cell.not_yet = "model.config = " + path;
    }
    if (cost > 0) cell.macs *= cost;
  }

  void give_names() {
    std::map<std::string, std::string> taken;  // name -> block
    for (Cell& cell : plan_.cells) {
      cell.name = fmt::format("{}", fmt::join(cell.points.front().labels, "_"));
      if (taken.contains(cell.name))
        cell.name += "_" + cell.points.front().block;  // a rule of the block made it differ
      if (!taken.emplace(cell.name, cell.points.front().block).second) {
        fail(cell.line, "two different cells would be called {}", cell.name);
      }
    }
  }

  void account(Cell& cell) {
    const double tflops = grid().tflops > 0 && rates_.otherwise == 0
                              ? grid().tflops
                              : rates_.tflops_of(std::filesystem::path(value_of(cell.settings, "model.config")).stem(),
                                                 value_of(cell.settings, "train.precision"));
    if (tflops > 0) cell.gpu_hours = cell.total_flops() / (tflops * 1e12) / 3600;
    // fp32 master weights and two moments, and the weights once more as safetensors; one more while it is written.
    const double keep = number_of(cell.settings, "checkpoint.keep") + 1;
    cell.storage_bytes = keep * 16 * cell.parameters;
    for (const SizeClass& size : grid().classes) {
      cell.size_class = size.name;
      if (size.max_gpu_hours == 0 || cell.gpu_hours <= size.max_gpu_hours) break;
    }
  }

  Plan plan_;
  const RateTable& rates_;
  const Abilities& abilities_;
  std::map<std::string, std::int64_t> counts_;
};

}  // namespace

double RateTable::tflops_of(const std::string& model, const std::string& precision) const {
  const auto exact = by_model.find(model + " " + precision);
  return exact != by_model.end() ? exact->second : otherwise;
}

RateTable read_rates(const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) throw input_error("cannot open {}: make it with clip_hpc bench step --json FILE", file.native());
  RateTable table;
  std::vector<double> all;
  int number = 0;
  for (std::string text; std::getline(stream, text);) {
    ++number;
    const Json line = Json::parse(text, nullptr, false);
    if (line.is_discarded()) throw at_line(file, number, "is no JSON line: clip_hpc bench step --json writes them");
    if (line.value("bench", "") != "step" || !line.contains("tflops")) continue;
    const double tflops = line.at("tflops").get<double>();
    table.by_model[line.value("model", "") + " " + line.value("precision", "")] = tflops;
    all.push_back(tflops);
  }
  if (all.empty()) throw input_error("{} holds no line of clip_hpc bench step", file.native());
  std::ranges::sort(all);
  table.otherwise = all[all.size() / 2];
  return table;
}

Plan make_plan(const Grid& grid, const RateTable& rates, const Abilities& abilities) {
  return Planner(grid, rates, abilities).run();
}

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
  double hours = 0, bytes = plan.subset_bytes, macs = 0, later_hours = 0;
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
  for (const Block& block : plan.grid.blocks) {
    std::int64_t count = 0;
    for (const Cell& cell : plan.cells) {
      count += std::ranges::count(cell.points, block.name, &CellPoint::block);
    }
    text += fmt::format("grid {:<12} {:>4} points\n", block.name, count);
  }
  text +=
      fmt::format("{} cells ({} points, {} of them shared), {:.4g} PMAC forward, {:.4g} EFLOP with backward\n",
                  plan.cells.size(), plan.points, plan.points - std::ssize(plan.cells), macs / 1e15, 6 * macs / 1e18);
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
    cells.push_back({{"name", cell.name},
                     {"class", cell.size_class},
                     {"not_yet", cell.not_yet},
                     {"points", std::move(points)},
                     {"subset", cell.subset ? cell.subset->name : ""},
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
