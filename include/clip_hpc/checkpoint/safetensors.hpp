// safetensors: 8 bytes of header length, a JSON header, raw little-endian data. No code runs when one is read.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace clip_hpc {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// fp32, bf16, fp16 or int64 CPU tensors; data starts at a multiple of 64 bytes. Synced to disk, not renamed.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

// The names of its tensors, from the header alone. Throws as read_safetensors.
std::vector<std::string> safetensors_names(const std::filesystem::path& path);

// Throws storage, naming the file, for anything that does not add up: header, types, overlaps, gaps, length.
NamedTensors read_safetensors(const std::filesystem::path& path);

}  // namespace clip_hpc
