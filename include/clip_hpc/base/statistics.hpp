// Order statistics of a few numbers. All of them need at least one.
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

}  // namespace clip_hpc
