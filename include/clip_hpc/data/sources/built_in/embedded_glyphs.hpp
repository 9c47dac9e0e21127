// The letters of the installed text fonts with their Unicode names: a small, real image-text set with held-out letters
// that can be named only by composition (letter + mark + case + script).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/data/sources/built_in/embedded_split.hpp"

namespace clip_hpc {

struct GlyphOptions {
  std::vector<std::filesystem::path> font_dirs = {"/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/truetype/noto"};
  std::string faces = "core";                    // core (36 faces), small (12 + 2 held out), all (about 290)
  std::string scripts = "latin,greek,cyrillic";  // or other first words of Unicode names, or "all": symbols as well
  int size = 32;                                 // pixels a side
  std::filesystem::path unicode_data = "/usr/share/unicode/UnicodeData.txt";
  std::uint64_t seed = 0;  // order of the samples
};

// train, test_letters (letters never trained on), test_pairs (letter and face known, not together), test_faces.
// Held out: names with " with " whose hash_percent is below 20; pairs whose hash_percent("CODE/FACE") is below 10.
// Labels: `label` indexes the split's names; test_letters has `label_all` for the names of all letters as well.
std::vector<EmbeddedSplit> open_glyphs(const GlyphOptions& options);

OpenSource declare_glyphs(ArgumentTable& words);

bool is_held_out_letter(const std::string& name);

}  // namespace clip_hpc
