// Figures and tables as parts of the page, with their files beside it.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "postprocess/figures/catalogue.hpp"
#include "postprocess/figures/figures.hpp"
#include "postprocess/sections/tables.hpp"

namespace clip_hpc {

// A <figure> each, "" where gnuplot failed: that is told in `problems` and costs no other figure. `data` is the folder
// beside the page that gets FIGURE.csv and the formats that are asked for.
std::vector<std::string> figure_elements(std::span<const Figure> figures, const std::filesystem::path& gnuplot,
                                         const std::filesystem::path& data, std::span<const Format> formats,
                                         std::vector<std::string>& problems);

// The panels of the paper that a study does not allow, a line for each reason; "" where there are none.
std::string not_drawn_section(std::span<const NotDrawn> not_drawn);

// Each table folded, with links to table_ID.csv, .md and .tex in `data`.
std::string table_section(std::span<const Table> tables, const std::filesystem::path& data);

}  // namespace clip_hpc
