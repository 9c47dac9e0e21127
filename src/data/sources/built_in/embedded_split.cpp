#include "clip_hpc/data/sources/built_in/embedded_split.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/sources/built_in/set_baseline.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kUsualSamples = 4096;  // per shard

}  // namespace

void declare_embedded(ArgumentTable& words, EmbeddedOptions& options, int usual_size) {
  words.add("size", options.size, fmt::format("pixels per side; 0: {}", usual_size),
            in_range(std::int64_t{0}, std::int64_t{4096}));
  words.add("seed", options.seed, "order of the samples");
  words.add("samples-per-shard", options.samples_per_shard, fmt::format("samples per shard; 0: {}", kUsualSamples),
            in_range(std::int64_t{0}, std::int64_t{1} << 20));
}

PackSource source_of(const EmbeddedSplit& split, std::uint64_t samples_per_part) {
  PackSource source;
  source.info.name = split.name;
  source.info.encoding = split.encoding;
  source.info.channels = split.channels;
  source.info.source = split.source;
  source.info.licence = split.licence;
  source.parts = (split.count + samples_per_part - 1) / samples_per_part;
  source.classnames = split.classnames;
  source.templates = split.templates;
  source.read_part = [render = split.render, count = split.count, samples_per_part](std::uint64_t part,
                                                                                    const PackSink& sink) {
    const std::uint64_t end = std::min(count, (part + 1) * samples_per_part);
    for (std::uint64_t i = part * samples_per_part; i < end; ++i) sink.add(fmt::format("sample {}", i), render(i));
  };
  return source;
}

OpenedSource opened_from(const std::vector<EmbeddedSplit>& splits, const EmbeddedOptions& options) {
  OpenedSource opened;
  opened.built_in = true;
  const std::int64_t samples = options.samples_per_shard > 0 ? options.samples_per_shard : kUsualSamples;
  opened.warnings = splits.front().warnings;
  for (const EmbeddedSplit& split : splits) {
    SourceSet set{split.name, source_of(split, static_cast<std::uint64_t>(samples)), {}};
    set.source.fingerprint = [options, name = split.name, source = split.source, count = split.count,
                              samples](std::uint64_t part) {
      return fmt::format("{}: {}; {} samples, {} per part, size {}, seed {}, part {}", name, source, count, samples,
                         options.size, options.seed, part);
    };
    if (split.name != "train") {
      set.finish = [name = split.name](const std::filesystem::path& output) {
        std::vector<std::string> lines;
        const Json baselines = write_pixel_baseline(output / "train", output / name);
        for (const auto& [label, entry] : baselines.items()) {
          lines.push_back(fmt::format("{} by {}: {} {:.1f} %", name, label, entry.at("name").get<std::string>(),
                                      100 * entry.at("acc1").get<double>()));
        }
        return lines;
      };
    }
    opened.sets.push_back(std::move(set));
  }
  return opened;
}

}  // namespace clip_hpc
