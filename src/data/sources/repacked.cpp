#include "clip_hpc/data/sources/repacked.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr int kTries = 16;  // to find a caption that differs

// The captions that sample `index` gets in place of its own; none: it keeps them.
std::optional<std::string> other_captions(const PackedSet& set, std::uint64_t index, const std::string& own,
                                          const RepackOptions& options) {
  RandomStream draw(options.seed, Purpose::swap_captions, 0, index);
  if (!draw.chance(options.swapped)) return std::nullopt;
  for (int i = 0; i < kTries; ++i) {
    const auto other = static_cast<std::uint64_t>(draw.uniform() * static_cast<double>(set.count()));
    std::string captions = set.captions(other);
    if (!captions.empty() && captions != own) return captions;
  }
  return std::nullopt;
}

}  // namespace

PackSource open_repacked(const RepackOptions& options) {
  const auto set = std::make_shared<const PackedSet>(options.input);
  const std::vector<std::string>& labels = set->info().label_names;
  if (options.swapped > 0) {
    set->require_captions("--corrupt");
    if (std::ranges::find(labels, kSwappedLabel) != labels.end()) {
      throw input_error("{} has swapped captions already ({}): give the set that it was made of",
                        options.input.native(), kSwappedLabel);
    }
  }
  PackSource source;
  source.info.name = set->info().name;
  source.info.encoding = set->info().encoding;
  source.info.channels = set->info().channels;
  source.info.licence = set->info().licence;
  source.info.source = set->info().source;
  if (options.swapped > 0) {
    source.info.source +=
        fmt::format("; captions swapped for a share of {} of the samples, seed {}", options.swapped, options.seed);
  }
  source.parts = set->info().shards.size();
  source.read_part = [set, options](std::uint64_t part, const PackSink& sink) {
    std::uint64_t first = 0;
    for (std::uint64_t i = 0; i < part; ++i) first += set->info().shards[i].count;
    const ShardInfo& shard = set->info().shards[part];
    for (std::uint64_t index = first; index < first + shard.count; ++index) {
      PackedSample sample = set->read(index);
      if (options.swapped > 0) {
        const std::optional<std::string> others = other_captions(*set, index, sample.captions, options);
        sample.labels[kSwappedLabel] = others ? 1 : 0;
        if (others) sample.captions = *others;
      }
      sink.add(fmt::format("{} row {}", shard.file, index - first), sample);
    }
  };
  source.fingerprint = [set, options](std::uint64_t part) {
    return fmt::format("packed {}, part {}, swapped {}, seed {}", set->checksum(), part, options.swapped, options.seed);
  };
  for (const std::string& label : labels) {
    if (fs::exists(set->classnames_file(label))) source.classnames[label] = set->classnames(label);
  }
  if (fs::exists(set->templates_file())) source.templates = set->templates();
  return source;
}

OpenSource declare_repacked(ArgumentTable& words) {
  struct Words {
    std::vector<std::string> input;
    RepackOptions options;
    std::int64_t seed = 0;
  };
  const auto o = std::make_shared<Words>();
  words.add("input", o->input, "the packed set");
  words.add("corrupt", o->options.swapped,
            "share of the samples that get the caption of another one; label_swapped says which", in_range(0.0, 1.0));
  words.add("seed", o->seed, "draws them", in_range(std::int64_t{0}, std::int64_t{1} << 53));
  return [o] {
    if (o->input.size() != 1) throw input_error("clip_hpc pack --from packed needs --input with one packed set");
    RepackOptions options = o->options;
    options.input = packed_path(o->input.front());
    options.seed = static_cast<std::uint64_t>(o->seed);
    OpenedSource opened;
    opened.made_of = options.input;
    opened.sets.push_back({"", open_repacked(options), {}});
    return opened;
  };
}

}  // namespace clip_hpc
