// Which font files the glyph set is drawn in, and how a caption calls their style.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {

struct GlyphFace {
  std::string stem;  // DejaVuSans-Bold
  std::filesystem::path path;
  std::string style;  // "bold sans"; empty when the file name does not tell
  bool held_out = false;
};

struct GlyphFaceList {
  std::vector<GlyphFace> faces;      // sorted by stem
  std::vector<std::string> missing;  // named by the choice, not installed
};

// choice: core (36), small (12, and the two held-out ones), all (every DejaVu and Noto text face found).
GlyphFaceList find_glyph_faces(const std::vector<std::filesystem::path>& font_dirs, std::string_view choice);
std::string style_of_face(std::string_view stem);  // "DejaVuSerifCondensed-BoldItalic" → "bold italic condensed serif"

}  // namespace clip_hpc
