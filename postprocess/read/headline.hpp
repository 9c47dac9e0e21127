// What a run is judged by: its evaluations, and the measures that most runs of a report have.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "postprocess/read/runs.hpp"

namespace clip_hpc {

struct Measure {  // one number of an evaluation
  std::string dataset, task, label, metric;
  bool operator==(const Measure&) const = default;
};

std::string words_of(const Measure& measure);  // "accuracy on imagenet"
Measure measure_of(const Track& track);

const Track* headline_track(const std::vector<Track>& tracks);  // the first classification, else the first

// The newest value that a run has of it; NaN: none.
double newest_value(std::span<const Track> tracks, const Measure& measure);

// Those that most runs have, zero-shot classification first.
std::vector<Measure> common_measures(std::span<const std::vector<Track>> tracks, std::size_t most);

std::string baseline_words(const Result& result);

}  // namespace clip_hpc
