#include "clip_hpc/study/forks.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "clip_hpc/study/points.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kAtSteps = "checkpoint.at_steps";

double number_of(const Cell& cell, const std::string& key) { return std::stod(value_of(cell.settings, key)); }

bool cools_down(const Cell& cell) {
  return cell.not_yet.empty() && value_of(cell.settings, "optim.schedule") == "constant" &&
         number_of(cell, "optim.cooldown") > 0;
}

bool is_same_but_for_its_end(const Cell& a, const Cell& b) {
  Settings one = a.settings, other = b.settings;
  for (Settings* settings : {&one, &other}) {
    for (const char* key : {"train.samples", "optim.cooldown", "optim.cooldown_shape"}) settings->erase(key);
  }
  return one == other && a.subset == b.subset;
}

std::int64_t steps_of(const Cell& cell) {
  const auto batch = static_cast<std::int64_t>(number_of(cell, "train.global_batch"));
  return (cell.samples + batch - 1) / batch;
}

// The step at which the cool-down begins, as the program rounds it (optim/schedule.hpp).
std::int64_t cooldown_begin(const Cell& cell) {
  const double asked = number_of(cell, "optim.cooldown");
  const std::int64_t steps = steps_of(cell);
  return steps - std::min<std::int64_t>(steps, std::llround(asked < 1 ? asked * static_cast<double>(steps) : asked));
}

// Nothing before the cool-down may depend on how long the run is.
void check_beginning(const Cell& cell, const Grid& grid) {
  const double warmup = number_of(cell, "optim.warmup");
  if (number_of(cell, "optim.warmup_samples") == 0 && warmup > 0 && warmup < 1) {
    throw at_line(
        grid.file, cell.line,
        fmt::format("[study] fork_cooldowns: optim.warmup = {} is a share, and of each length another number of "
                    "steps: write optim.warmup_samples",
                    value_of(cell.settings, "optim.warmup")));
  }
  if (number_of(cell, "strategy.unmasked") > 0) {
    throw at_line(grid.file, cell.line,
                  "[study] fork_cooldowns: strategy.unmasked changes the run at a share of its length: set it to 0");
  }
}

}  // namespace

void plan_forks(std::vector<Cell>& cells, const Grid& grid) {
  std::set<std::string> trunks;
  for (Cell& cell : cells) {
    if (!cools_down(cell)) continue;
    if (cooldown_begin(cell) >= steps_of(cell)) continue;  // it rounds to no step at all
    const Cell* trunk = nullptr;                           // the first of those that cool down last
    for (const Cell& other : cells) {
      if (!cools_down(other) || !is_same_but_for_its_end(cell, other)) continue;
      if (trunk == nullptr || cooldown_begin(other) > cooldown_begin(*trunk)) trunk = &other;
    }
    const std::int64_t begin = cooldown_begin(cell);
    if (trunk == &cell || begin <= 0) continue;
    check_beginning(cell, grid);
    cell.fork = {trunk->name, begin, begin * std::stoll(value_of(cell.settings, "train.global_batch"))};
    trunks.insert(trunk->name);
  }
  if (trunks.empty()) {
    throw at_line(grid.file, grid.settings_line,
                  "[study] fork_cooldowns finds no two cells of optim.schedule = constant with an optim.cooldown that "
                  "differ in length or cool-down alone: add an axis of train.samples, or take the line out");
  }
  for (Cell& trunk : cells) {
    std::set<std::int64_t> steps;
    for (const Cell& cell : cells) {
      if (cell.fork && cell.fork->trunk == trunk.name) steps.insert(cell.fork->step);
    }
    if (steps.empty()) continue;
    trunk.kept_for_forks = std::ssize(steps);
    std::vector<std::string>& asked = trunk.settings[kAtSteps];
    const std::string of_forks = fmt::format("{}", fmt::join(steps, ","));
    asked = {asked.empty() || asked.back().empty() ? of_forks : asked.back() + "," + of_forks};
  }
}

}  // namespace clip_hpc
