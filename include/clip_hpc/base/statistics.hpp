// Order statistics. All of them need at least one number.
#pragma once

#include <span>
#include <vector>

namespace clip_hpc {

double mean(std::span<const double> values);
double median(std::vector<double> values);        // of an even number of values the mean of the middle two
double upper_median(std::vector<double> values);  // of an even number of values the greater of the middle two

// The value below which this fraction of them lies: one of the values, by its rank, which is rounded down.
double quantile(std::span<const double> ascending, double fraction);
double nearest_quantile(std::span<const double> ascending, double fraction);  // the rank is rounded to the nearest

// Area under the ROC curve: how often one of `high` is above one of `low`, a tie counting half. 0.5: no better than
// chance. In n log n.
double area_under_roc(std::vector<double> high, std::vector<double> low);

}  // namespace clip_hpc
