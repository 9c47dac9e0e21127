#include "clip_hpc/strategy/strategy.hpp"

#include <algorithm>
#include <numeric>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"

namespace clip_hpc {

void describe(OptionTable& table, StrategyOptions& options) {
  table.add("strategy.name", options.name,
            "`clip`; `flip`: a share of the patches is dropped in training; `clip_aug`: CLIP on augmented views",
            one_of({"clip", "flip", "clip_aug"}));
  table.add("strategy.mask_ratio", options.mask_ratio, "flip: share of the patches that is dropped",
            in_range(0.0, 0.95));
  table.add("strategy.augmentation", options.augmentation,
            "view of a training image: `none` (plain resize), `crop` (open_clip's 0.9-1 crop), `crop_flip`, `drawing`, "
            "`drawing_strong` (turned, moved, scaled: for glyphs and emoji)",
            one_of({"none", "crop", "crop_flip", "drawing", "drawing_strong"}));
}

Strategy make_strategy(const StrategyOptions& options) {
  Strategy strategy;
  if (options.augmentation != "none") strategy.view = options.augmentation;
  if (options.name == "flip") strategy.keep_share = 1.0 - options.mask_ratio;
  if (options.name == "clip_aug" && options.augmentation == "none") {
    throw input_error("strategy.name = clip_aug needs strategy.augmentation, for example crop_flip");
  }
  return strategy;
}

std::int64_t Strategy::kept_patches(std::int64_t patches) const {
  if (patches == 0) {  // a tower that has none to leave out
    if (keep_share < 1) throw input_error("strategy.name = flip drops patches, and this image tower needs all of them");
    return 0;
  }
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(patches) * keep_share));
}

at::Tensor draw_kept_patches(std::uint64_t seed, std::span<const std::uint64_t> rows, std::int64_t patches,
                             std::int64_t kept) {
  at::Tensor out = at::empty({static_cast<std::int64_t>(rows.size()), kept}, at::kLong);
  std::int64_t* next = out.data_ptr<std::int64_t>();
  std::vector<std::int64_t> order(static_cast<std::size_t>(patches));
  for (const std::uint64_t row : rows) {
    RandomStream stream(seed, Purpose::token_keep, row);
    std::iota(order.begin(), order.end(), std::int64_t{0});
    for (std::int64_t i = 0; i < kept; ++i) {  // the first `kept` places of a Fisher-Yates shuffle
      const auto j = i + static_cast<std::int64_t>(stream.below(static_cast<std::uint32_t>(patches - i)));
      std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(j)]);
    }
    std::sort(order.begin(), order.begin() + kept);
    next = std::copy_n(order.begin(), kept, next);
  }
  return out;
}

}  // namespace clip_hpc
