// A plan as a table for people, and as study/plan.json.
#pragma once

#include <string>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/study/plan.hpp"

namespace clip_hpc {

std::string plan_table(const Plan& plan);
Json plan_json(const Plan& plan);

std::string short_number(double value);  // 3.4B, 25M, 10k
std::string short_bytes(double bytes);   // 1.2 GiB

}  // namespace clip_hpc
