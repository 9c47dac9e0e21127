#include "clip_hpc/data/sources/built_in/font_face.hpp"

#include <ft2build.h>
#include FT_FREETYPE_H
#include FT_BBOX_H
#include FT_OUTLINE_H
#include <hb-ft.h>
#include <hb.h>

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

struct FaceCloser {
  void operator()(FT_Face face) const { FT_Done_Face(face); }
};
struct FontCloser {
  void operator()(hb_font_t* font) const { hb_font_destroy(font); }
};
struct BufferCloser {
  void operator()(hb_buffer_t* buffer) const { hb_buffer_destroy(buffer); }
};

constexpr int kOutlineUnits = 2048;  // outlines are loaded at this em, in 1/64 pixel: fine enough to scale from
constexpr FT_Int32 kOutlineFlags = FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP;

}  // namespace

struct FontFace::Handles {
  FontLibrary library;  // must outlive the face
  std::filesystem::path path;
  std::unique_ptr<std::remove_pointer_t<FT_Face>, FaceCloser> face;
  std::unique_ptr<hb_font_t, FontCloser> shaper;  // colour fonts only

  FT_Outline& load_outline(char32_t character) const {
    const FT_UInt glyph = FT_Get_Char_Index(face.get(), character);
    if (glyph == 0 || FT_Load_Glyph(face.get(), glyph, kOutlineFlags) != 0 ||
        face->glyph->format != FT_GLYPH_FORMAT_OUTLINE) {
      throw internal_error("{} has no outline for U+{:04X}", path.native(), static_cast<std::uint32_t>(character));
    }
    return face->glyph->outline;
  }

  // Scales the loaded outline about the origin, moves it (1/64 pixel) and fills it into a white square.
  std::vector<std::uint8_t> fill(FT_Outline& outline, double scale, double dx, double dy, int size) const {
    const auto fixed = static_cast<FT_Fixed>(std::lround(scale * 65536));
    const FT_Matrix matrix{fixed, 0, 0, fixed};
    FT_Outline_Transform(&outline, &matrix);
    FT_Outline_Translate(&outline, std::lround(dx), std::lround(dy));
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(size) * static_cast<std::size_t>(size), 0);
    FT_Bitmap bitmap{};
    bitmap.rows = static_cast<unsigned>(size);
    bitmap.width = static_cast<unsigned>(size);
    bitmap.pitch = size;  // positive: first row is the top
    bitmap.buffer = pixels.data();
    bitmap.num_grays = 256;
    bitmap.pixel_mode = FT_PIXEL_MODE_GRAY;
    if (FT_Outline_Get_Bitmap(static_cast<FT_Library>(library.get()), &outline, &bitmap) != 0) {
      throw internal_error("FreeType cannot draw a glyph of {}", path.native());
    }
    for (auto& pixel : pixels) pixel = static_cast<std::uint8_t>(255 - pixel);
    return pixels;
  }
};

FontLibrary::FontLibrary() {
  FT_Library library = nullptr;
  if (FT_Init_FreeType(&library) != 0) throw internal_error("FreeType does not start");
  handle_ = std::shared_ptr<void>(library, [](void* handle) { FT_Done_FreeType(static_cast<FT_Library>(handle)); });
}

FontFace::FontFace(const FontLibrary& library, const std::filesystem::path& path)
    : handles_(new Handles{library, path, nullptr, nullptr}) {
  FT_Face face = nullptr;
  if (FT_New_Face(static_cast<FT_Library>(library.get()), path.c_str(), 0, &face) != 0) {
    throw input_error("{} is not a font that FreeType can read: reinstall its package", path.native());
  }
  handles_->face.reset(face);
  FT_Select_Charmap(face, FT_ENCODING_UNICODE);  // a symbol font without one simply has no characters
  if (FT_HAS_COLOR(face) && face->num_fixed_sizes > 0) {
    FT_Select_Size(face, 0);
    handles_->shaper.reset(hb_ft_font_create(face, nullptr));
  } else {
    FT_Set_Pixel_Sizes(face, 0, kOutlineUnits);
  }
}

FontFace::FontFace(FontFace&&) noexcept = default;
FontFace& FontFace::operator=(FontFace&&) noexcept = default;
FontFace::~FontFace() = default;

bool FontFace::has(char32_t character) const { return FT_Get_Char_Index(handles_->face.get(), character) != 0; }

bool FontFace::has_outlines() const { return FT_IS_SCALABLE(handles_->face.get()) && !handles_->shaper; }

std::vector<char32_t> FontFace::characters() const {
  std::vector<char32_t> all;
  FT_UInt glyph = 0;
  for (FT_ULong code = FT_Get_First_Char(handles_->face.get(), &glyph); glyph != 0;
       code = FT_Get_Next_Char(handles_->face.get(), code, &glyph)) {
    all.push_back(static_cast<char32_t>(code));
  }
  return all;
}

bool FontFace::is_blank(char32_t character) const {
  FT_BBox box{};
  FT_Outline_Get_BBox(&handles_->load_outline(character), &box);
  return box.xMax <= box.xMin || box.yMax <= box.yMin;
}

std::vector<std::uint8_t> FontFace::draw_in_line(char32_t character, const LineBox& box) const {
  FT_Outline& outline = handles_->load_outline(character);
  FT_BBox ink{};
  FT_Outline_Get_BBox(&outline, &ink);
  const double side = 64.0 * box.size;
  const double margin = side * box.margin;
  const double baseline = side * (1 - box.baseline);  // FreeType counts from the bottom
  double scale = box.em * box.size / kOutlineUnits;
  const double width = static_cast<double>(ink.xMax - ink.xMin);
  const double height = static_cast<double>(ink.yMax - ink.yMin);
  scale = std::min({scale, (side - 2 * margin) / std::max(width, 1.0), (side - 2 * margin) / std::max(height, 1.0)});
  // Ink that leaves the square above or below is moved in; the baseline gives way rather than the size.
  const double low = baseline + scale * static_cast<double>(ink.yMin);
  const double high = baseline + scale * static_cast<double>(ink.yMax);
  const double lift = low < margin ? margin - low : std::min(0.0, side - margin - high);
  const double left = (side - scale * width) / 2 - scale * static_cast<double>(ink.xMin);
  return handles_->fill(outline, scale, left, baseline + lift, box.size);
}

std::vector<std::uint8_t> FontFace::draw_filling(char32_t character, int size, double margin) const {
  FT_Outline& outline = handles_->load_outline(character);
  FT_BBox ink{};
  FT_Outline_Get_BBox(&outline, &ink);
  const double side = 64.0 * size;
  const double width = static_cast<double>(ink.xMax - ink.xMin);
  const double height = static_cast<double>(ink.yMax - ink.yMin);
  const double scale = side * (1 - 2 * margin) / std::max({width, height, 1.0});
  return handles_->fill(outline, scale, (side - scale * width) / 2 - scale * static_cast<double>(ink.xMin),
                        (side - scale * height) / 2 - scale * static_cast<double>(ink.yMin), size);
}

bool FontFace::draw_color(std::u32string_view sequence, ColorBitmap& out) const {
  if (!handles_->shaper) return false;
  static_assert(sizeof(char32_t) == sizeof(std::uint32_t));
  const std::vector<std::uint32_t> codes(sequence.begin(), sequence.end());
  const std::unique_ptr<hb_buffer_t, BufferCloser> buffer(hb_buffer_create());
  hb_buffer_add_utf32(buffer.get(), codes.data(), static_cast<int>(codes.size()), 0, static_cast<int>(codes.size()));
  hb_buffer_guess_segment_properties(buffer.get());
  hb_shape(handles_->shaper.get(), buffer.get(), nullptr, 0);
  unsigned count = 0;
  const hb_glyph_info_t* glyphs = hb_buffer_get_glyph_infos(buffer.get(), &count);
  if (count != 1 || glyphs[0].codepoint == 0) return false;
  FT_Face face = handles_->face.get();
  if (FT_Load_Glyph(face, glyphs[0].codepoint, FT_LOAD_COLOR | FT_LOAD_RENDER) != 0) return false;
  const FT_Bitmap& bitmap = face->glyph->bitmap;
  if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.width == 0 || bitmap.rows == 0) return false;
  out.width = static_cast<int>(bitmap.width);
  out.height = static_cast<int>(bitmap.rows);
  out.pixels.clear();
  for (int row = 0; row < out.height; ++row) {
    const std::uint8_t* line = bitmap.buffer + row * bitmap.pitch;
    out.pixels.insert(out.pixels.end(), line, line + 4 * bitmap.width);
  }
  return true;
}

}  // namespace clip_hpc
