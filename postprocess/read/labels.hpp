// Which labels of a cell name its tower and its strategy.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace clip_hpc {

// "clip+stacked", with labels of other axes behind; no augmentation ("none", "no", "") is not named.
std::string strategy_name(const std::string& strategy, const std::string& augmentation, const std::string& others = "");

using Labels = std::vector<std::pair<std::string, std::string>>;  // of a cell: axis, label

// Of the axes tower and model.config; "model" where there is none.
std::string tower_of(const Labels& labels);
// Of strategy and aug, with the labels of all axes behind that are neither the tower's, nor of data and length, nor the
// seed; "clip" where there is none.
std::string strategy_of(const Labels& labels);

}  // namespace clip_hpc
