// error = a (C + b)^-c + d on the Pareto front of compute C = forward multiply-adds (1e9) x samples seen: points that
// no cheaper point is better than. openMaMMUT (arXiv 2506.04598), which writes the exponent with its sign.
#pragma once

#include "postprocess/fit/laws/law.hpp"

namespace clip_hpc {

LawKind front_law();
std::vector<LawPoint> pareto_front(std::span<const LawPoint> points);  // ascending compute, descending error

}  // namespace clip_hpc
