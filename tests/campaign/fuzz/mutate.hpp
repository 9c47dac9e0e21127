// Damage to files, as a pure function of a seed.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace clip_hpc::fuzz {

// One of `corpus` with one to eight changes: bits, bytes, numbers at their limits, cuts, copies, pieces of another
// file, digits of a decimal number.
std::string mutant(std::span<const std::string> corpus, std::uint64_t seed);

}  // namespace clip_hpc::fuzz
