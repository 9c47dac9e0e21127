#include "postprocess/fit/recommend.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/statistics.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

constexpr double kNearChance = 0.92;  // of the error of guessing: there an error does not follow a power law
constexpr double kFarthest = 4;       // how far beyond its runs a law is believed
constexpr double kSure = 0.8;
constexpr double kEqual = 0.005;  // errors that differ by less are called equal

std::string share_text(double share) { return fmt::format("{:.0f} %", 100 * share); }

std::string training_text(const Choice& choice) {
  const double epochs = choice.samples / choice.set;
  return epochs < 1.05 ? fmt::format("{} pairs, each once", count_text(choice.samples))
                       : fmt::format("{} pairs {:.1f} times", count_text(choice.set), epochs);
}

double affordable_samples(const SeriesFit& series, const Budget& budget) {
  if (budget.gmacs > 0) return budget.gmacs / series.gmacs;
  const double gpu_s = budget.gpu_hours * 3600;
  if (series.gpu_s_per_sample > 0) return gpu_s / series.gpu_s_per_sample;
  return budget.tflops > 0 ? gpu_s * budget.tflops * 1e12 / (6e9 * series.gmacs) : 0;
}

std::string list_of(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == words.size() ? " and " : ", ") + words[i];
  }
  return text;
}

// Pairs of errors by how often a sample is seen: at which number of epochs does `other` begin to win?
struct Pair {
  double epochs, set, base, other;
};
std::string verdict_of(std::vector<Pair> pairs, const std::string& other, const std::string& base) {
  std::ranges::sort(pairs, {}, &Pair::epochs);
  const auto better = [](const Pair& p) { return p.other < p.base - kEqual; };
  const auto worse = [](const Pair& p) { return p.other > p.base + kEqual; };
  const auto wins = std::ranges::count_if(pairs, better), losses = std::ranges::count_if(pairs, worse);
  double best_gain = -1, worst_gain = 1, at_best = 0, at_worst = 0;
  for (const Pair& p : pairs) {
    if (p.base - p.other > best_gain) {
      best_gain = p.base - p.other;
      at_best = p.epochs;
    }
    if (p.base - p.other < worst_gain) {
      worst_gain = p.base - p.other;
      at_worst = p.epochs;
    }
  }
  std::string text =
      fmt::format("{} against {}: better in {} of {} pairs, worse in {}", other, base, wins, pairs.size(), losses);
  text += fmt::format("; error from {:+.1f} points at {:.3g} epochs to {:+.1f} at {:.3g}", -100 * best_gain, at_best,
                      -100 * worst_gain, at_worst);
  if (wins == 0) return text + ": has not paid";
  if (losses == 0 && wins == static_cast<std::ptrdiff_t>(pairs.size())) return text + ": has paid everywhere";
  // The border with the fewest pairs on its wrong side.
  std::ptrdiff_t least = static_cast<std::ptrdiff_t>(pairs.size()) + 1;
  double border = 0;
  for (std::size_t i = 0; i <= pairs.size(); ++i) {
    std::ptrdiff_t wrong = 0;
    for (std::size_t k = 0; k < pairs.size(); ++k) wrong += (k < i) == better(pairs[k]);
    if (wrong < least) {
      least = wrong;
      border = i == 0 ? pairs.front().epochs : i == pairs.size() ? pairs.back().epochs * 2 : pairs[i].epochs;
    }
  }
  const auto beyond = std::ranges::count_if(pairs, [&](const Pair& p) { return p.epochs >= border; });
  const auto won = std::ranges::count_if(pairs, [&](const Pair& p) { return p.epochs >= border && better(p); });
  if (beyond < 2 || 2 * won <= beyond) return text + ": no number of epochs from which it pays";
  return text + fmt::format(": pays from {:.3g} epochs on ({} of {} pairs say otherwise)", border, least, pairs.size());
}

}  // namespace

std::vector<SeriesFit> fit_series(const StudyMeasure& measure, int redraws) {
  std::map<std::tuple<std::string, std::string, double>, std::vector<StudyPoint>> groups;
  // Shares of the data form a series only where they were varied in size, too; a share of one set is one point.
  for (const StudyPoint& point : measure.points) groups[{point.tower, point.strategy, point.quality}].push_back(point);
  std::vector<SeriesFit> series;
  for (auto& [key, points] : groups) {
    SeriesFit one;
    std::tie(one.tower, one.strategy, one.quality) = key;
    one.name = one.tower + ", " + one.strategy;
    if (one.quality < 1) one.name += fmt::format(", best {}", share_text(one.quality));
    std::vector<double> costs;
    std::vector<LawPoint> law_points;
    for (const StudyPoint& point : points) {
      one.gmacs = point.gmacs;
      if (point.gpu_s_per_sample > 0) costs.push_back(point.gpu_s_per_sample);
      if (point.error > kNearChance * measure.chance_error || point.error <= 0) {
        ++one.near_chance;
        continue;
      }
      law_points.push_back({point.samples, point.set, point.error});
      one.points.push_back(point);
    }
    if (!costs.empty()) one.gpu_s_per_sample = upper_median(costs);
    one.fit = fit_law(law_points, redraws, 0, one.why_not);
    if (!one.fit && one.near_chance > 0) one.why_not += fmt::format(" ({} near chance are left out)", one.near_chance);
    series.push_back(std::move(one));
  }
  return series;
}

Recommendation recommend(std::span<const SeriesFit> series, const Budget& budget) {
  if (budget.gpu_hours <= 0 && budget.gmacs <= 0) {
    throw input_error("a recommendation takes a budget: --gpu-hours, or --gmacs (forward multiply-adds, 1e9)");
  }
  if (budget.data <= 0) throw input_error("a recommendation takes the pairs that are at hand: --data 400M");
  Recommendation found;
  for (const SeriesFit& one : series) {
    if (!one.fit) {
      found.left_out.push_back(fmt::format("{}: {}", one.name, one.why_not));
      continue;
    }
    const LawFit& fit = *one.fit;
    Choice choice;
    choice.series = &one;
    choice.samples = affordable_samples(one, budget);
    if (choice.samples <= 0) {
      found.left_out.push_back(
          fmt::format("{}: its runs do not say how long they took; give --gmacs or --tflops", one.name));
      continue;
    }
    const double at_hand = budget.data * one.quality;
    choice.set = std::min(choice.samples, at_hand);
    if (choice.samples > 1.05 * at_hand && !fit.repeats) {
      // No run has seen a sample twice: what that would give is not known, so this series stops after one epoch.
      choice.samples = at_hand;
    }
    if (fit.law.a == 0 && fit.most_samples < 1.05 * fit.least_samples) {
      const double off = choice.samples / fit.most_samples;
      if (off < 0.5 || off > 2) {
        found.left_out.push_back(fmt::format("{}: all its runs saw {} samples, the budget is for {}", one.name,
                                             count_text(fit.most_samples), count_text(choice.samples)));
        continue;
      }
    }
    choice.beyond = std::max({1.0, choice.samples / fit.most_samples, choice.set / fit.most_set,
                              fit.least_samples / choice.samples, fit.least_set / choice.set});
    if (choice.beyond > kFarthest) {
      found.left_out.push_back(
          fmt::format("{}: {} lies {:.0f} times beyond its runs", one.name, training_text(choice), choice.beyond));
      continue;
    }
    choice.error = fit.law(choice.samples, choice.set);
    choice.interval = interval_of(fit, choice.samples, choice.set);
    found.choices.push_back(choice);
  }
  if (found.choices.empty()) {
    found.verdict = "not enough runs: no tower and strategy has runs near this budget";
    return found;
  }
  std::size_t redraws = found.choices.front().series->fit->redraws.size();
  for (const Choice& choice : found.choices) redraws = std::min(redraws, choice.series->fit->redraws.size());
  for (std::size_t i = 0; i < redraws; ++i) {
    const auto error = [&](const Choice& c) { return c.series->fit->redraws[i](c.samples, c.set); };
    std::ranges::min_element(found.choices, {}, error)->wins += 1.0 / static_cast<double>(redraws);
  }
  std::ranges::stable_sort(found.choices, {}, &Choice::error);
  const Choice& best = found.choices.front();
  const std::string held = best.series->fit->held_out ? fmt::format("its held-out points were missed by at most {}",
                                                                    share_text(best.series->fit->held_out->worst))
                                                      : "there are too few points to hold some out";
  const std::string what =
      fmt::format("{}: {}, error {:.1f} % ({:.1f} to {:.1f})", best.series->name, training_text(best), 100 * best.error,
                  100 * best.interval.low, 100 * best.interval.high);
  if (found.choices.size() == 1) {
    found.verdict = fmt::format("not enough runs to compare: only {} can be told; {}", what, held);
  } else if (best.wins >= kSure) {
    found.verdict = fmt::format("{}; best in {} of the redraws, and {}", what, share_text(best.wins), held);
  } else {
    std::vector<std::string> rivals;
    for (const Choice& choice : found.choices) {
      if (choice.wins >= 0.1) rivals.push_back(fmt::format("{} ({})", choice.series->name, share_text(choice.wins)));
    }
    found.verdict = fmt::format("no clear winner: {} come first in the redraws; the law's best is {}, and {}",
                                list_of(rivals), what, held);
  }
  if (best.beyond > 1.05) {
    found.verdict += fmt::format("; it lies {:.1f} times beyond the runs it is told from", best.beyond);
  }
  return found;
}

std::vector<std::string> what_pays(const StudyMeasure& measure) {
  std::vector<std::string> lines;
  // Strategies, at equal tower, share, data and samples.
  std::map<std::string, int> times;
  for (const StudyPoint& point : measure.points) ++times[point.strategy];
  if (times.size() > 1) {
    const std::string base = times.contains("clip")
                                 ? "clip"
                                 : std::ranges::max_element(times, {}, [](const auto& t) { return t.second; })->first;
    std::map<std::pair<std::string, std::string>, std::vector<Pair>> pairs;
    for (const StudyPoint& a : measure.points) {
      if (a.strategy != base) continue;
      for (const StudyPoint& b : measure.points) {
        if (b.strategy == base || b.tower != a.tower || b.quality != a.quality || b.set != a.set) continue;
        if (std::abs(b.samples / a.samples - 1) > 0.02) continue;
        pairs[{a.tower, b.strategy}].push_back({a.epochs(), a.set, a.error, b.error});
      }
    }
    for (const auto& [key, list] : pairs) {
      lines.push_back(fmt::format("{}: {}", key.first, verdict_of(list, key.second, base)));
    }
  }
  // Shares of the data: as many samples as the whole has seen, or one epoch of each.
  std::map<std::tuple<std::string, std::string, bool>, std::map<double, const StudyPoint*>> shares;
  for (const StudyPoint& whole : measure.points) {
    if (whole.quality < 1) continue;
    for (const StudyPoint& part : measure.points) {
      if (part.quality >= 1 || part.tower != whole.tower || part.strategy != whole.strategy) continue;
      if (std::abs(part.set / (part.quality * whole.set) - 1) > 0.05) continue;  // of another whole
      for (const bool once : {false, true}) {
        const double expected = once ? whole.samples * part.quality : whole.samples;
        if (std::abs(part.samples / expected - 1) > 0.02) continue;
        auto& all = shares[{part.tower, part.strategy, once}];
        all[part.quality] = &part;
        all[1] = &whole;
      }
    }
  }
  for (const auto& [key, by_share] : shares) {
    const auto& [tower, strategy, once] = key;
    const auto best = std::ranges::min_element(by_share, {}, [](const auto& one) { return one.second->error; });
    std::string all;
    for (const auto& [share, point] : by_share) {
      all += fmt::format("{}{} {:.1f}", all.empty() ? "" : ", ", share_text(share), 100 * point->error);
    }
    std::string text =
        fmt::format("{}, {}: best share of the data, {}: {} (errors: {})", tower, strategy,
                    once ? "as many epochs for each" : "as many samples for each", share_text(best->first), all);
    if (once) {
      for (const auto& [share, point] : by_share) {
        if (share < 1 && point->error < by_share.at(1)->error - kEqual) {
          text += fmt::format("; {} beats the whole with {} of its samples", share_text(share), share_text(share));
          break;
        }
      }
    }
    lines.push_back(text);
  }
  return lines;
}

std::string as_text(const StudyMeasure& measure, std::span<const SeriesFit> series, const Budget& budget,
                    const Recommendation& recommendation) {
  std::string text = fmt::format("Recommendation for {} and {} pairs, by {}\n\n  {}\n\n",
                                 budget.gmacs > 0 ? fmt::format("{:.3g} G multiply-adds", budget.gmacs)
                                                  : fmt::format("{:.4g} GPU hours", budget.gpu_hours),
                                 count_text(budget.data), measure.name, recommendation.verdict);
  if (!recommendation.choices.empty()) {
    text += fmt::format("{:<28} {:>24} {:>8} {:>15} {:>6} {:>7}\n", "inside the budget", "training", "error %",
                        "5 % to 95 %", "first", "beyond");
    for (const Choice& c : recommendation.choices) {
      text += fmt::format("{:<28} {:>24} {:>8.1f} {:>15} {:>6} {:>7.1f}\n", c.series->name, training_text(c),
                          100 * c.error, fmt::format("{:.1f} to {:.1f}", 100 * c.interval.low, 100 * c.interval.high),
                          share_text(c.wins), c.beyond);
    }
    text += "\n";
  }
  text += fmt::format("{:<28} {:>6} {:>7} {:>7} {:>7} {:>8} {:>9}\n", "laws", "points", "floor %", "alpha", "beta",
                      "rms", "held out");
  for (const SeriesFit& one : series) {
    if (!one.fit) continue;
    const PowerLaw& law = one.fit->law;
    text += fmt::format("{:<28} {:>6} {:>7.1f} {:>7} {:>7} {:>8} {:>9}\n", one.name, one.fit->points, 100 * law.floor,
                        law.a > 0 ? fmt::format("{:.2f}", law.alpha) : "-",
                        law.b > 0 ? fmt::format("{:.2f}", law.beta) : "-", fmt::format("{:.1f} %", 100 * one.fit->rms),
                        one.fit->held_out ? fmt::format("{:.1f} %", 100 * one.fit->held_out->worst) : "-");
  }
  text += "error = floor + a samples^-alpha + b data^-beta; points near chance are left out\n";
  if (!recommendation.left_out.empty()) text += "\nnot enough runs\n";
  for (const std::string& line : recommendation.left_out) text += "  " + line + "\n";
  if (!recommendation.pays.empty()) text += "\nwhat has paid\n";
  for (const std::string& line : recommendation.pays) text += "  " + line + "\n";
  return text;
}

}  // namespace clip_hpc
