// One font file, drawn with FreeType and shaped with HarfBuzz. Drawing leaves no trace: every call gives the same
// pixels in any order. One object serves one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

namespace clip_hpc {

class FontLibrary {  // FreeType itself; shared by the faces of one thread
 public:
  FontLibrary();
  void* get() const { return handle_.get(); }

 private:
  std::shared_ptr<void> handle_;
};

struct ColorBitmap {  // premultiplied BGRA, rows from the top
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 4]
};

// Where an outline stands in a square picture. Grey levels: 255 = paper, 0 = ink.
struct LineBox {
  int size = 32;          // pixels a side
  double em = 0.7;        // height of the em square, as a share of size
  double baseline = .75;  // below the top, as a share of size
  double margin = 0.03;   // ink that would come nearer to the border makes the whole glyph smaller
};

class FontFace {
 public:
  FontFace(const FontLibrary& library, const std::filesystem::path& path);
  FontFace(FontFace&&) noexcept;
  FontFace& operator=(FontFace&&) noexcept;
  ~FontFace();

  bool has(char32_t character) const;
  std::vector<char32_t> characters() const;  // all that the face maps to a glyph, in order
  bool has_outlines() const;
  bool is_blank(char32_t character) const;  // spaces and fillers: no ink

  // Grey picture [size, size] of one character on a common line: true size and height, ink centred sideways.
  std::vector<std::uint8_t> draw_in_line(char32_t character, const LineBox& box) const;
  // Grey picture [size, size] of one character, as large as the square less its margin allows, centred.
  std::vector<std::uint8_t> draw_filling(char32_t character, int size, double margin) const;
  // Colour bitmap of a sequence (ligatures by HarfBuzz). False when the font cannot draw it as a single glyph.
  bool draw_color(std::u32string_view sequence, ColorBitmap& out) const;

 private:
  struct Handles;
  std::unique_ptr<Handles> handles_;
};

}  // namespace clip_hpc
