// Packing in parallel: a source is cut into parts, one part becomes one shard, and any rank may pack any part. The
// bytes do not depend on who packed what.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/data/packed/pack_report.hpp"
#include "clip_hpc/data/packed/shard.hpp"

namespace clip_hpc {

// Where a source puts what it reads. `where` names the place in the input, for people: tar file and key.
struct PackSink {
  std::function<void(const std::string& where, const PackedSample& sample)> add;
  std::function<void(const std::string& where, const std::string& reason)> skip;  // a sample that cannot be packed
  std::function<void(const std::string& where, const std::string& what)> warn;    // of what is packed all the same
};

struct PackSource {
  DatasetInfo info;  // name, encoding, channels, source, licence; counts and shards are filled in by packing
  std::uint64_t parts = 0;
  // Hands over the samples of one part in order. A part that is damaged throws storage; what was handed over counts.
  std::function<void(std::uint64_t part, const PackSink& sink)> read_part;
  // Changes when the part's input or an option changes. Parts that were packed under it need not be packed again.
  std::function<std::string(std::uint64_t part)> fingerprint;
  std::map<std::string, std::vector<std::string>> classnames;  // for each label, where there are any
  std::vector<std::string> templates;                          // prompts with {c}
};

// What a rank tells rank 0 about a part that it packed.
struct PackedPart {
  std::uint64_t part = 0;
  ShardInfo shard;  // count 0: every sample was skipped, there is no file
  std::uint32_t min_side = 0, max_side = 0;
  std::uint64_t min_captions = 0, max_captions = 0;
  std::vector<std::string> label_names;
  Tallies skipped, warnings;
  std::string broken;   // why the part could not be read to its end; empty: it could
  bool reused = false;  // was packed by an earlier try
};
Json to_json(const PackedPart& part);
PackedPart packed_part_from(const Json& json);

struct PackReport {
  Tallies skipped, warnings;
  std::vector<std::string> broken;  // a line for each broken part
  std::size_t reused = 0;           // parts
};
PackReport report_of(const std::vector<PackedPart>& parts);  // in order of the parts

std::string recipe_of(const PackSource& source);  // of all fingerprints; empty where the source has none

// Makes the folder of a set. Throws input when it holds a set already.
void prepare_set_folder(const std::filesystem::path& folder);
// Takes what an earlier try left, where the fingerprint is the same. Captions become valid UTF-8.
PackedPart pack_part(const PackSource& source, std::uint64_t part, const std::filesystem::path& folder);
void forget_part(const std::filesystem::path& folder, std::uint64_t part);  // a later try packs it again
// What the parts of a set leave for a later try, when it is complete.
void forget_all_parts(const PackSource& source, const std::filesystem::path& folder);
// Class names, templates, and dataset.json last. `parts` in any order. Throws input when nothing was packed.
DatasetInfo finish_set(const PackSource& source, std::vector<PackedPart> parts, const std::filesystem::path& folder);

}  // namespace clip_hpc
