#include "clip_hpc/study/plan.hpp"

#include <algorithm>
#include <cmath>

#include "clip_hpc/study/cost.hpp"
#include "clip_hpc/study/forks.hpp"
#include "clip_hpc/study/plan_table.hpp"
#include "clip_hpc/study/points.hpp"

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

struct ModelAnswer {
  std::optional<ModelCost> cost;
  std::string refusal;  // why clip_hpc would not train it
};

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
    if (grid().fork_cooldowns) plan_forks(plan_.cells, grid());
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
    const std::int64_t steps = (cell.samples + batch - 1) / batch;
    const std::int64_t warmup_samples = whole_of(settings, "optim.warmup_samples");
    const std::int64_t of_samples = (warmup_samples + batch - 1) / batch;
    const double warmup = warmup_samples > 0 ? static_cast<double>(of_samples) : number_of(settings, "optim.warmup");
    if (warmup >= 1 && warmup >= static_cast<double>(steps)) {
      fail(point.line,
           "[grid {}], {}: optim.{} {} steps, but the cell has {}; write a share below 1, or an override rule",
           point.block, label_text(point),
           warmup_samples > 0 ? fmt::format("warmup_samples = {} are", warmup_samples) : "warmup =", warmup, steps);
    }
    const double cooldown = number_of(settings, "optim.cooldown"), whole = static_cast<double>(steps);
    const double warm = warmup < 1 ? warmup * whole : warmup, cool = cooldown < 1 ? cooldown * whole : cooldown;
    if (cooldown > 0 && std::round(warm) + std::round(cool) > whole) {
      fail(point.line, "[grid {}], {}: the warm-up and optim.cooldown are {:.0f} and {:.0f} steps, but the cell has {}",
           point.block, label_text(point), warm, cool, steps);
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
    const ModelAnswer& answer = answer_about(path);
    if (answer.cost) {
      check_image_size(point, *answer.cost, whole_of(settings, "strategy.image_size"));
      // study.cost is a factor on one pass over each half of the pair, as the paper's 2 for SLIP is.
      const std::string strategy = value_of(settings, "strategy.name");
      cell.macs = pair_macs(*answer.cost, {.strategy = strategy,
                                           .mask_ratio = number_of(settings, "strategy.mask_ratio"),
                                           .unmasked = number_of(settings, "strategy.unmasked"),
                                           .image_size = whole_of(settings, "strategy.image_size"),
                                           .views = cost > 0 ? 1 : views_of(strategy)});
      cell.parameters = static_cast<double>(answer.cost->parameters);
    } else {
      if (!answer.refusal.empty() && !may_be_unknown(point)) {
        fail(point.line, "[grid {}], {}: {}", point.block, label_text(point), answer.refusal);
      }
      if (gmacs == 0 || mparams == 0) {
        fail(point.line,
             "[grid {}], {}: what {} costs is not known here: take a model of docs/models.md, or put clip_hpc on PATH, "
             "or say study.gmacs and study.mparams",
             point.block, label_text(point), path);
      }
      cell.macs = gmacs * 1e9;
      cell.parameters = mparams * 1e6;
      if (may_be_unknown(point) && cell.not_yet.empty()) cell.not_yet = "model.config = " + path;
    }
    if (cost > 0) cell.macs *= cost;
  }

  // What a cell would refuse when it starts, as far as the table of models tells.
  void check_image_size(const Point& point, const ModelCost& model, std::int64_t size) const {
    if (size == 0 || size == model.image_size) return;
    const auto grid = std::llround(std::sqrt(static_cast<double>(model.patches)));
    const std::int64_t patch = grid > 0 ? model.image_size / grid : 1;
    if (size < model.image_size && size % patch == 0) return;
    fail(point.line, "[grid {}], {}: strategy.image_size = {}: {} takes less than {} pixels, a multiple of {}",
         point.block, label_text(point), size, model.model, model.image_size, patch);
  }

  const ModelAnswer& answer_about(const std::string& path) {
    const auto [found, is_new] = models_.try_emplace(path);
    if (!is_new) return found->second;
    try {
      found->second.cost = find_cost(path);
    } catch (const Error& problem) {
      found->second.refusal = problem.what();
    }
    return found->second;
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
    if (tflops > 0) cell.gpu_hours = cell.own_flops() / (tflops * 1e12) / 3600;
    // fp32 master weights and two moments, and the weights once more as safetensors; one more while it is written.
    const double keep = number_of(cell.settings, "checkpoint.keep") + 1 + static_cast<double>(cell.kept_for_forks);
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
  std::map<std::string, ModelAnswer> models_;
};

}  // namespace

Plan make_plan(const Grid& grid, const RateTable& rates, const Abilities& abilities) {
  return Planner(grid, rates, abilities).run();
}

}  // namespace clip_hpc
