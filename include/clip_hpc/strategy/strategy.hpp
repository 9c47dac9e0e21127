// A training strategy is a value: which views of an image, which share of its patches is encoded. CLIP, FLIP and
// CLIP + augmentation differ in these fields alone.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

struct StrategyOptions {
  std::string name = "clip";
  double mask_ratio = 0.5;
  std::string augmentation = "none";
};
void describe(OptionTable& table, StrategyOptions& options);

struct Strategy {
  std::string view = "resize";                            // data/augment: how an image becomes model input
  double keep_share = 1.0;                                // of the patches; the class token always stays
  std::int64_t kept_patches(std::int64_t patches) const;  // int(L (1 - r)), at least 1; of 0 none
};

Strategy make_strategy(const StrategyOptions& options);  // throws input

// FLIP's draw: for each sample `kept` of `patches` indices without repetition, ascending. A pure function of (seed,
// row of the global batch), so any number of ranks drops the same patches. -> [rows, kept] int64
at::Tensor draw_kept_patches(std::uint64_t seed, std::span<const std::uint64_t> rows, std::int64_t patches,
                             std::int64_t kept);

}  // namespace clip_hpc
