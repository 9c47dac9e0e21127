#include "clip_hpc/data/sources/built_in/glyph_faces.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/sources/built_in/unicode_text.hpp"

namespace clip_hpc {
namespace {

constexpr std::array<std::string_view, 2> kHeldOutFaces = {"NotoSerif-BoldItalic", "DejaVuSansMono-Bold"};
constexpr const char* kFontPackages = "fonts-dejavu-core fonts-dejavu-extra fonts-noto-core";

std::set<std::string, std::less<>> core_faces() {
  std::set<std::string, std::less<>> stems;
  for (const auto* family : {"DejaVuSans", "DejaVuSansCondensed", "DejaVuSansMono"}) {
    for (const auto* style : {"", "-Bold", "-Oblique", "-BoldOblique"})
      stems.insert(fmt::format("{}{}", family, style));
  }
  for (const auto* family : {"DejaVuSerif", "DejaVuSerifCondensed"}) {
    for (const auto* style : {"", "-Bold", "-Italic", "-BoldItalic"}) stems.insert(fmt::format("{}{}", family, style));
  }
  for (const auto* family : {"NotoSans", "NotoSerif", "NotoSansDisplay", "NotoSerifDisplay"}) {
    for (const auto* style : {"Regular", "Bold", "Italic", "BoldItalic"}) {
      stems.insert(fmt::format("{}-{}", family, style));
    }
  }
  return stems;
}

std::set<std::string, std::less<>> small_faces() {
  std::set<std::string, std::less<>> stems = {"DejaVuSans",       "DejaVuSans-Bold",         "DejaVuSerif",
                                              "DejaVuSerif-Bold", "DejaVuSerif-Italic",      "DejaVuSansMono",
                                              "NotoSans-Regular", "NotoSans-Italic",         "NotoSerif-Regular",
                                              "NotoSerif-Bold",   "NotoSerifDisplay-Italic", "NotoSansDisplay-Bold"};
  stems.insert(kHeldOutFaces.begin(), kHeldOutFaces.end());
  return stems;
}

std::map<std::string, std::filesystem::path> installed_faces(const std::vector<std::filesystem::path>& font_dirs) {
  std::map<std::string, std::filesystem::path> found;
  for (const auto& dir : font_dirs) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(dir, error)) {
      const auto extension = entry.path().extension();
      if (extension == ".ttf" || extension == ".otf") found.emplace(entry.path().stem().string(), entry.path());
    }
  }
  return found;
}

}  // namespace

std::string style_of_face(std::string_view stem) {
  const std::size_t dash = stem.find('-');
  const std::string_view family = stem.substr(0, dash);
  const std::string_view variant = dash == std::string_view::npos ? std::string_view{} : stem.substr(dash + 1);
  const auto says = [](std::string_view where, std::string_view word) {
    return where.find(word) != std::string_view::npos;
  };
  const bool sans = says(family, "Sans");
  const bool serif = says(family, "Serif");
  if (sans == serif) return {};
  std::vector<std::string> words;
  if (says(variant, "Bold")) words.emplace_back("bold");
  if (says(variant, "Light")) words.emplace_back("light");
  if (says(variant, "Italic") || says(variant, "Oblique")) words.emplace_back("italic");
  if (says(stem, "Condensed")) words.emplace_back("condensed");
  if (says(family, "Display")) words.emplace_back("display");
  words.emplace_back(sans ? "sans" : "serif");
  if (says(family, "Mono")) words.emplace_back("mono");
  return join_text(words, " ");
}

GlyphFaceList find_glyph_faces(const std::vector<std::filesystem::path>& font_dirs, std::string_view choice) {
  const auto installed = installed_faces(font_dirs);
  GlyphFaceList list;
  const auto add = [&list](const std::string& stem, const std::filesystem::path& path) {
    list.faces.push_back({stem, path, style_of_face(stem), std::ranges::count(kHeldOutFaces, stem) > 0});
  };
  if (choice == "all") {
    for (const auto& [stem, path] : installed) {
      const bool text_face = (stem.starts_with("Noto") || stem.starts_with("DejaVu")) && !stem.starts_with("NotoColor");
      if (text_face) add(stem, path);
    }
  } else if (choice == "core" || choice == "small") {
    for (const auto& stem : choice == "core" ? core_faces() : small_faces()) {
      const auto at = installed.find(stem);
      if (at != installed.end()) {
        add(stem, at->second);
      } else {
        list.missing.push_back(stem);
      }
    }
  } else {
    throw input_error("faces must be core, small or all, got '{}'", choice);
  }
  if (std::ranges::all_of(list.faces, &GlyphFace::held_out)) {  // nothing to train on
    std::vector<std::string> names;
    for (const auto& dir : font_dirs) names.push_back(dir.string());
    throw input_error("no text font in {}: install the Debian packages {}, or run jobs/setup.sh",
                      join_text(names, ", "), kFontPackages);
  }
  return list;
}

}  // namespace clip_hpc
