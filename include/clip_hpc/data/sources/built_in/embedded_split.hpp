// One split of a data set that is rendered from fonts: a shuffled list with random access, so that any rank can render
// any shard of it and gets the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/sources/source.hpp"

namespace clip_hpc {

struct EmbeddedSplit {
  std::string name;  // folder of the packed set: train, test_letters, …
  std::uint64_t count = 0;
  // Sample `index` < count. A pure function of the options and the installed fonts, whatever was rendered before. The
  // splits of one opened set share their fonts: call them from one thread, or open the set once a thread.
  std::function<PackedSample(std::uint64_t index)> render;
  std::string encoding = "raw";  // rows of width * channels bytes
  int channels = 1;
  std::map<std::string, std::vector<std::string>> classnames;  // for each key of PackedSample::labels
  std::vector<std::string> templates;                          // prompts, with {c} for the class name
  std::string source;                                          // fonts and lists that it is made of
  std::string licence;
  std::map<std::string, double> baseline;  // accuracies (0 to 1) that need no model: chance, majority
  std::vector<std::string> warnings;       // what was missing; for the caller to show once
};

PackSource source_of(const EmbeddedSplit& split, std::uint64_t samples_per_part);

// Options of all sets that are rendered.
struct EmbeddedOptions {
  std::int64_t size = 0, seed = 0, samples_per_shard = 0;  // 0: as usual
};
void declare_embedded(ArgumentTable& words, EmbeddedOptions& options, int usual_size);
OpenedSource opened_from(const std::vector<EmbeddedSplit>& splits, const EmbeddedOptions& options);

}  // namespace clip_hpc
