// How fast one core augments, operation by operation and view by view; and a sheet of what each of them does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/data/image/image.hpp"

namespace clip_hpc {

struct AugmentRate {
  std::string what;  // "blur", "rotate_bicubic", "view_simclr"
  double images_per_s = 0;
};

Image augment_picture(int side);  // a scene of colours, edges and fine lines, RGB

// Operations on size x size pixels, views of a picture of `source_side`: `seconds` for each.
std::vector<AugmentRate> bench_augment(int size, int source_side, double seconds);

// Every operation once, then some draws of every training view, each under its name. `font`: of the names.
Image augment_sheet(const Image& picture, int tile, const std::filesystem::path& font);

}  // namespace clip_hpc
