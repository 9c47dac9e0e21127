// manifest.json, which is written last and makes a checkpoint exist: what the files hold, and checksums of all of it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"

namespace clip_hpc {

inline constexpr int kSchemaVersion = 2;  // 1 is read, too
inline constexpr const char* kUnfinishedSuffix = ".tmp";
inline constexpr const char* kReplacedSuffix = ".replaced";
inline constexpr const char* kManifestFile = "manifest.json";
inline constexpr const char* kStateFile = "state.h5";
inline constexpr const char* kWeightsFile = "model.safetensors";
inline constexpr const char* kAverageFile = "ema.safetensors";

struct StoredSlice {  // of a buffer, as one rank wrote it
  std::int64_t begin = 0, count = 0;
  std::string xxh64;
};
struct WrittenBuffer {
  std::int64_t numel = 0;
  std::vector<StoredSlice> slices;
};
using WrittenBuffers = std::map<std::string, WrittenBuffer>;

// `slices`: of each rank, JSON {buffer: {begin, count, xxh64}}. The other files are in `folder`.
Json manifest_of(const std::filesystem::path& folder, const std::vector<StateBuffer>& buffers, const Json& about,
                 const std::vector<std::string>& slices);

// What is wrong with it, or nothing. Without a checksum (older versions) its numbers are looked at.
std::string problem_of(const Json& manifest);

WrittenBuffers read_buffers(const std::filesystem::path& manifest_file);  // throws storage

}  // namespace clip_hpc
