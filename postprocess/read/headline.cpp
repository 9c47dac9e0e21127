#include "postprocess/read/headline.hpp"

#include <algorithm>
#include <cmath>

namespace clip_hpc {

std::string words_of(const Measure& measure) {
  std::string words = measure.metric == "acc1" ? "accuracy" : measure.metric;
  std::ranges::replace(words, '_', ' ');
  return words + " on " + measure.dataset + (measure.label.empty() ? "" : ", " + measure.label);
}

Measure measure_of(const Track& track) { return {track.dataset, track.task, track.label, track.metric}; }

const Track* headline_track(const std::vector<Track>& tracks) {
  const Track* first = nullptr;
  for (const Track& track : tracks) {
    if (track.best == nullptr) continue;
    if (track.task == kTaskZeroshot) return &track;
    if (first == nullptr) first = &track;
  }
  return first;
}

double newest_value(std::span<const Track> tracks, const Measure& measure) {
  const auto track =
      std::ranges::find_if(tracks, [&](const Track& one) { return one.best != nullptr && measure_of(one) == measure; });
  return track == tracks.end() ? std::nan("") : track->value(*track->results.back());
}

std::vector<Measure> common_measures(std::span<const std::vector<Track>> tracks, std::size_t most) {
  struct Counted {
    Measure measure;
    int runs = 0;
  };
  std::vector<Counted> all;
  for (const std::vector<Track>& of_run : tracks) {
    for (const Track& track : of_run) {
      if (track.best == nullptr) continue;
      const Measure measure = measure_of(track);
      const auto known = std::ranges::find(all, measure, &Counted::measure);
      ++(known == all.end() ? *all.insert(all.end(), {measure, 0}) : *known).runs;
    }
  }
  std::ranges::stable_sort(all, [](const Counted& a, const Counted& b) {
    const bool a_first = a.measure.task == kTaskZeroshot, b_first = b.measure.task == kTaskZeroshot;
    return a_first != b_first ? a_first : a.runs > b.runs;
  });
  std::vector<Measure> measures;
  for (const Counted& one : all) {
    if (measures.size() < most) measures.push_back(one.measure);
  }
  return measures;
}

std::string baseline_words(const Result& result) {
  return result.baseline_name.empty() ? "baseline" : "baseline (" + result.baseline_name + ")";
}

}  // namespace clip_hpc
