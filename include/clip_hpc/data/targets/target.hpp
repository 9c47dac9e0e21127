// What clip_hpc pack --to makes out of a packed set: one row per kind of folder.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

class ArgumentTable;
class PackedSet;

// A set on its way out. Any rank may write any shard; `prepare` before the first, `finish` after the last, each by one
// rank. The set must outlive it.
struct PackTarget {
  std::filesystem::path folder;  // what is made
  std::function<void()> prepare;
  std::function<void(std::size_t shard)> write_shard;
  std::function<void()> finish;
};
using OpenTarget = std::function<PackTarget(const PackedSet& set, const std::filesystem::path& output)>;

struct TargetKind {
  const char* name;
  const char* help;
  OpenTarget (*declare)(ArgumentTable& words);  // its options; what it returns reads them after parsing
};
std::span<const TargetKind> target_kinds();

}  // namespace clip_hpc
