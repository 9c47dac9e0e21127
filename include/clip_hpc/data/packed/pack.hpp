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
#include "clip_hpc/data/packed/shard.hpp"

namespace clip_hpc {

struct PackSource {
  DatasetInfo info;  // name, encoding, channels, source, licence; counts and shards are filled in by packing
  std::uint64_t parts = 0;
  // Hands over the samples of one part in order. A sample that cannot be packed goes to `skip` with the reason.
  using Add = std::function<void(const PackedSample& sample)>;
  using Skip = std::function<void(const std::string& what, const std::string& reason)>;
  std::function<void(std::uint64_t part, const Add& add, const Skip& skip)> read_part;
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
  std::uint64_t skipped = 0;
  std::vector<std::string> reasons;  // of the first skipped samples, "what: why"
};
Json to_json(const PackedPart& part);
PackedPart packed_part_from(const Json& json);

// Makes an empty folder for a set. Throws input when it holds a set already.
void prepare_set_folder(const std::filesystem::path& folder);
PackedPart pack_part(const PackSource& source, std::uint64_t part, const std::filesystem::path& folder);
// Class names, templates, and dataset.json last. `parts` in any order. Throws input when nothing was packed.
DatasetInfo finish_set(const PackSource& source, std::vector<PackedPart> parts, const std::filesystem::path& folder);

}  // namespace clip_hpc
