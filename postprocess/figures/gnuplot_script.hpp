// What gnuplot is told to draw one figure: data, ticks, ranges, key, terminals. No process is started here.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "postprocess/figures/figures.hpp"

namespace clip_hpc {

// `number`: of the figure in its script, for the names of its data. As `svg`, and in `formats` beside each other in
// `folder`.
std::string script_of(const Figure& figure, std::size_t number, const std::filesystem::path& svg,
                      std::span<const Format> formats, const std::filesystem::path& folder);

}  // namespace clip_hpc
