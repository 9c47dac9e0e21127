#include <array>

#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/data/augment/operation.hpp"
#include "data/augment/operations/blend.hpp"
#include "data/augment/operations/blur.hpp"
#include "data/augment/operations/geometry.hpp"
#include "data/augment/operations/hue.hpp"
#include "data/augment/operations/lookup.hpp"
#include "data/augment/operations/tensorflow.hpp"

namespace clip_hpc {

std::span<const OperationKind> operation_kinds() {
  static constexpr std::array kKinds = std::to_array<OperationKind>({
      {"identity", "none", 0, [](const PixelPlanes&, const OperationCall&, OperationScratch&) {}},
      {"flip", "none", 0, apply_flip},
      {"brightness", "factor", 1.6, apply_brightness},
      {"contrast", "factor", 1.6, apply_contrast},
      {"color", "factor of the saturation", 1.9, apply_color},
      {"sharpness", "factor; below 1 it smooths", 1.9, apply_sharpness},
      {"hue", "turn of the hue, in turns", 0.1, apply_hue},
      {"grey", "none", 0, apply_grey},
      {"blur", "standard deviation in pixels", 1.5, apply_blur},
      {"autocontrast", "none", 0, apply_autocontrast},
      {"equalize", "none", 0, apply_equalize},
      {"invert", "none", 0, apply_invert},
      {"posterize", "bits that are kept", 3, apply_posterize},
      {"solarize", "from which value on pixels are inverted", 128, apply_solarize},
      {"solarize_add", "what is added to values below 128", 99, apply_solarize_add},
      {"shear_x", "pixels a row", 0.3, apply_shear_x},
      {"shear_y", "pixels a column", 0.3, apply_shear_y},
      {"translate_x", "pixels to the left", 40, apply_translate_x},
      {"translate_y", "pixels up", 40, apply_translate_y},
      {"rotate", "degrees, counterclockwise", 27, apply_rotate},
      {"cutout", "half of its side in pixels", 40, apply_cutout},
      {"tf_autocontrast", "none", 0, apply_tf_autocontrast},
      {"tf_color", "factor of the saturation", 1.9, apply_tf_color},
      {"tf_contrast", "factor, about the mean", 1.9, apply_tf_contrast},
      {"tf_contrast_of_count", "factor, about pixels / 256: what big_vision's code does", 1.9,
       apply_tf_contrast_of_count},
      {"tf_sharpness", "factor", 1.9, apply_tf_sharpness},
      {"tf_shear_x", "pixels a row", 0.3, apply_tf_shear_x},
      {"tf_shear_y", "pixels a column", 0.3, apply_tf_shear_y},
      {"tf_translate_x", "pixels to the left", 40, apply_tf_translate_x},
      {"tf_translate_y", "pixels up", 40, apply_tf_translate_y},
      {"tf_rotate", "degrees", 30, apply_tf_rotate},
  });
  return kKinds;
}

const OperationKind& operation_kind(const std::string& name) {
  return row_named(operation_kinds(), name, "operation on an image");
}

void apply_operation(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch) {
  if (call.kind == nullptr) throw internal_error("an operation on an image without a kind");
  if (image.width < 1 || image.height < 1) throw internal_error("an operation on an empty image");
  call.kind->apply(image, call, scratch);
}

}  // namespace clip_hpc
