// The pixel baseline of a packed test set.
#pragma once

#include <filesystem>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

// baseline.json of a test set: how well the nearest training image does, for every label that it can answer.
// {label: {"acc1", "name"}}. Returns what was written; images of both sets must be of one size.
Json write_pixel_baseline(const std::filesystem::path& train_folder, const std::filesystem::path& test_folder);

}  // namespace clip_hpc
