#include "clip_hpc/data/views/view.hpp"

#include <fmt/format.h>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

std::vector<std::string> view_names(ViewUse use) {
  std::vector<std::string> names;
  for (const ViewKind& kind : view_kinds()) {
    if (use == ViewUse::any || kind.use == use) names.emplace_back(kind.name);
  }
  return names;
}

ViewSpec parse_view(const std::string& name, int size) {
  if (size < 1 || size > 16384) throw input_error("a view of {} pixels a side is not possible: use 1 to 16384", size);
  for (const ViewKind& kind : view_kinds()) {
    if (kind.name != name) continue;
    ViewSpec spec = kind.spec;
    spec.name = name;
    spec.size = size;
    return spec;
  }
  throw input_error("view \"{}\" is unknown: use one of {}", name, fmt::join(view_names(), ", "));
}

void apply_view(const ImageView& image, const ViewSpec& spec, RandomStream& random, std::span<std::uint8_t> out) {
  if (out.size() != spec.bytes()) throw internal_error("a view of {} bytes into {} bytes", spec.bytes(), out.size());
  if (image.width < 1 || image.height < 1) throw input_error("cannot make a view of an empty image");
  spec.make(image, spec, random, out);
}

}  // namespace clip_hpc
