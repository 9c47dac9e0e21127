#include "postprocess/fit/recommend.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

constexpr double kFarthest = 4;      // how far beyond its runs a law is believed
constexpr double kMostMissed = 0.1;  // of held-out points, on average: else a law is not believed
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

// Fills in what the series would be trained for; why it cannot be asked, where it cannot. A series that may be asked
// only about less than the budget says in `too_far` what the whole would be.
std::string choice_of(const SeriesFit& one, const Budget& budget, Choice& choice, std::vector<std::string>& too_far) {
  if (!one.fit) return one.why_not;
  const LawFit& fit = *one.fit;
  if (fit.held_out && fit.held_out->mean > kMostMissed) {
    return fmt::format("its law \"{}\" misses held-out points by {} on average, more than {}", fit.kind->name,
                       share_text(fit.held_out->mean), share_text(kMostMissed));
  }
  choice.series = &one;
  const double affordable = affordable_samples(one, budget), at_hand = budget.data * one.quality;
  if (affordable <= 0) return "its runs do not say how long they took; give --gmacs or --tflops";
  choice.samples = affordable;
  // What more repeats than any run has seen would give is not known to every law: then the series stops there.
  const double most = at_hand * fit.most_epochs;
  if (!fit.repeats && choice.samples > 1.05 * most) choice.samples = most;
  choice.set = std::min(choice.samples, at_hand);
  if (fit.most_samples < 1.05 * fit.least_samples) {
    const double off = choice.samples / fit.most_samples;
    if (off < 0.5 || off > 2) {
      return fmt::format("all its runs saw {} samples, the budget is for {}", count_text(fit.most_samples),
                         count_text(choice.samples));
    }
  }
  const auto beyond = [&] {
    return std::max({1.0, choice.samples / fit.most_samples, choice.set / fit.most_set,
                     fit.least_samples / choice.samples, fit.least_set / choice.set});
  };
  choice.beyond = beyond();
  if (choice.beyond > kFarthest) {
    const std::string why = fmt::format("{} lies {:.0f} times beyond its runs", training_text(choice), choice.beyond);
    choice.samples = std::min(choice.samples, fit.most_samples);
    choice.set = std::min({choice.samples, at_hand, fit.most_set});
    choice.beyond = beyond();
    if (choice.beyond > kFarthest) return why;
    choice.unspent = 1 - choice.samples / affordable;
    too_far.push_back(fmt::format("{}: {}", one.name, why));
  }
  choice.error = fit(choice.samples, choice.set);
  choice.interval = interval_of(fit, choice.samples, choice.set);
  return "";
}

std::string sentence_of(const std::vector<Choice>& choices) {
  const Choice& best = choices.front();
  const LawFit& fit = *best.series->fit;
  const std::string held =
      fit.held_out ? fmt::format("its held-out points were missed by at most {}", share_text(fit.held_out->worst))
                   : "there are too few points to hold some out";
  const std::string what =
      fmt::format("{}: {}, error {:.1f} % ({:.1f} to {:.1f})", best.series->name, training_text(best), 100 * best.error,
                  100 * best.interval.low, 100 * best.interval.high);
  std::string verdict;
  if (choices.size() == 1) {
    verdict = fmt::format("not enough runs to compare: only {} can be told; {}", what, held);
  } else if (best.wins >= kSure) {
    verdict = fmt::format("{}; best in {} of the redraws, and {}", what, share_text(best.wins), held);
  } else {
    std::vector<std::string> rivals;
    for (const Choice& choice : choices) {
      if (choice.wins >= 0.1) rivals.push_back(fmt::format("{} ({})", choice.series->name, share_text(choice.wins)));
    }
    verdict = fmt::format("no clear winner: {} come first in the redraws; the law's best is {}, and {}",
                          list_of(rivals), what, held);
  }
  if (best.beyond > 1.05) {
    verdict += fmt::format("; it lies {:.1f} times beyond the runs it is told from", best.beyond);
  }
  if (best.unspent > 0) {
    verdict += fmt::format("; it leaves {} of the budget unspent, since more lies too far beyond its runs",
                           share_text(best.unspent));
  }
  return verdict;
}

std::string law_table_text(std::span<const SeriesFit> series, const LawChoice& choice) {
  std::string text = fmt::format("{:<16} {:>10} {:>9} {:>10} {:>8} {:>9}\n", "law", "series", "held out", "mean miss",
                                 "worst", "least R^2");
  for (const LawScore& score : choice.scores) {
    const bool checked = score.held_out.points > 0;
    text +=
        fmt::format("{:<16} {:>10} {:>9} {:>10} {:>8} {:>9}{}\n", score.kind->name,
                    fmt::format("{} of {}", score.series, series.size()), score.held_out.points,
                    checked ? fmt::format("{:.1f} %", 100 * score.held_out.mean) : "-",
                    checked ? fmt::format("{:.1f} %", 100 * score.held_out.worst) : "-",
                    score.series > 0 ? fmt::format("{:.3f}", score.least_r2) : "-", score.is_used ? "  <- used" : "");
  }
  text += fmt::format("used: {}\n", choice.why);
  for (const LawScore& score : choice.scores) {
    text += fmt::format("  {}: {} ({})\n", score.kind->name, score.kind->formula, score.kind->source);
  }
  return text;
}

}  // namespace

Recommendation recommend(std::span<const SeriesFit> series, const Budget& budget, const std::string& law) {
  if (budget.gpu_hours <= 0 && budget.gmacs <= 0) {
    throw input_error("a recommendation takes a budget: --gpu-hours, or --gmacs (forward multiply-adds, 1e9)");
  }
  if (budget.data <= 0) throw input_error("a recommendation takes the pairs that are at hand: --data 400M");
  Recommendation found;
  found.law = choose_law(series, law);
  std::vector<std::string> too_far;  // of those that do not spend the budget
  for (const SeriesFit& one : series) {
    Choice choice;
    const std::string why_not = choice_of(one, budget, choice, too_far);
    if (why_not.empty()) {
      found.choices.push_back(choice);
    } else {
      found.left_out.push_back(fmt::format("{}: {}", one.name, why_not));
    }
  }
  // What is left of a budget counts only against what spends it.
  if (std::ranges::all_of(found.choices, [](const Choice& choice) { return choice.unspent > 0; })) {
    found.choices.clear();
    found.left_out.insert(found.left_out.end(), too_far.begin(), too_far.end());
  }
  if (found.choices.empty()) {
    found.verdict = "not enough runs: no tower and strategy has runs near this budget";
    return found;
  }
  std::size_t redraws = found.choices.front().series->fit->redraws.size();
  for (const Choice& choice : found.choices) redraws = std::min(redraws, choice.series->fit->redraws.size());
  for (std::size_t i = 0; i < redraws; ++i) {
    const auto error = [&](const Choice& c) {
      const LawFit& fit = *c.series->fit;
      return fit.kind->predict(fit.redraws[i].law, {c.samples, c.set, 0, fit.gmacs});
    };
    std::ranges::min_element(found.choices, {}, error)->wins += 1.0 / static_cast<double>(redraws);
  }
  std::ranges::stable_sort(found.choices, {}, &Choice::error);
  found.verdict = sentence_of(found.choices);
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
      if (c.unspent > 0) text.insert(text.size() - 1, fmt::format("  {} unspent", share_text(c.unspent)));
    }
    text += "\n";
  }
  text +=
      "how each law predicts the largest runs from the others\n" + law_table_text(series, recommendation.law) + "\n";
  text += fmt::format("{:<28} {:>13} {:>6} {:>6} {:>7} {:>9}  {}\n", "fits", "law", "points", "R^2", "rms", "held out",
                      "error =");
  for (const SeriesFit& one : series) {
    if (!one.fit) continue;
    const LawFit& fit = *one.fit;
    text +=
        fmt::format("{:<28} {:>13} {:>6} {:>6.3f} {:>7} {:>9}  {}\n", one.name, fit.kind->name, fit.points.size(),
                    fit.r2, fmt::format("{:.1f} %", 100 * fit.rms),
                    fit.held_out ? fmt::format("{:.1f} %", 100 * fit.held_out->worst) : "-", fit.kind->words(fit.law));
  }
  text += "points near chance are left out; held out: the largest miss\n";
  if (!recommendation.left_out.empty()) text += "\nnot enough runs\n";
  for (const std::string& line : recommendation.left_out) text += "  " + line + "\n";
  if (!recommendation.pays.empty()) text += "\nwhat has paid\n";
  for (const std::string& line : recommendation.pays) text += "  " + line + "\n";
  return text;
}

}  // namespace clip_hpc
