#include "clip_hpc/data/packed/stored_features.hpp"

#include <hdf5.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kScaleName = "logit_scale";  // a text: ln of the factor
constexpr const char* kSetName = "set_checksum";

}  // namespace

StoredFeatures::StoredFeatures(const std::filesystem::path& path, const PackedSet& set)
    : path_(path), samples_(set.count()) {
  if (!std::filesystem::exists(path)) {
    throw input_error("data.teacher: {} does not exist: clip_hpc embed --data {} --write image,text writes it",
                      path.native(), set.folder().native());
  }
  const Hid file = open_hdf5(path);
  for (const char* name : {"image", "text", "image_of"}) {
    if (has_dataset(file, name)) continue;
    throw input_error("data.teacher: {} has no dataset {}: write it with clip_hpc embed --data {} --write image,text",
                      path.native(), name, set.folder().native());
  }
  images_ = region_of(file, "image", sizeof(float), path);
  texts_ = region_of(file, "text", sizeof(float), path);
  image_of_ = region_of(file, "image_of", sizeof(std::int64_t), path);
  captions_ = image_of_.size_bytes / sizeof(std::int64_t);
  const std::uint64_t floats = images_.size_bytes / sizeof(float);
  if (floats == 0 || floats % samples_ != 0 || captions_ * (floats / samples_) * sizeof(float) != texts_.size_bytes) {
    throw input_error("data.teacher: {} holds features of another set than {}, which has {} samples", path.native(),
                      set.folder().native(), samples_);
  }
  width_ = static_cast<std::int64_t>(floats / samples_);
  for (const char* name : {kScaleName, kSetName}) {
    if (H5Aexists(file.get(), name) > 0) continue;
    throw input_error("data.teacher: {} does not say its {}: write it again with clip_hpc embed", path.native(), name);
  }
  const std::string scale = read_attribute_text(file, kScaleName, path);
  char* end = nullptr;
  scale_ = std::exp(std::strtod(scale.c_str(), &end));
  if (end == scale.c_str() || !std::isfinite(scale_)) {
    throw input_error("data.teacher: {}: {} is \"{}\", not a number: write it again with clip_hpc embed", path.native(),
                      kScaleName, scale);
  }
  if (const std::string of = read_attribute_text(file, kSetName, path); of != set.checksum()) {
    throw input_error("data.teacher: {} was made of another set than {}: of checksum {}, not {}", path.native(),
                      set.folder().native(), of, set.checksum());
  }
  file_ = FileDescriptor::open_read(path);
}

std::int64_t StoredFeatures::image_of(std::uint64_t text) const {
  std::int64_t image = 0;
  pread_all(file_.get(), std::as_writable_bytes(std::span(&image, 1)), image_of_.offset_bytes + text * sizeof(image),
            path_.native());
  return image;
}

std::string StoredFeatures::fingerprint() const {
  std::vector<std::byte> bytes(std::min<std::uint64_t>(images_.size_bytes, std::uint64_t{1} << 20));
  pread_all(file_.get(), bytes, images_.offset_bytes, path_.native());
  return fmt::format("{} numbers a feature, scale {:.6g}, beginning {}", width_, scale_, hex64(xxh64(bytes)));
}

std::uint64_t StoredFeatures::first_text_of(std::uint64_t sample) const {
  if (captions_ == samples_) return sample;  // one each; read() checks it
  std::uint64_t low = 0;
  for (std::uint64_t high = captions_; low < high;) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (image_of(middle) < static_cast<std::int64_t>(sample)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

void StoredFeatures::read(std::uint64_t sample, int caption, std::span<float> into) const {
  const std::uint64_t text = first_text_of(sample) + static_cast<std::uint64_t>(caption);
  if (sample >= samples_ || text >= captions_ || image_of(text) != static_cast<std::int64_t>(sample)) {
    throw storage_error("{} holds no features of caption {} of sample {}: write it again with clip_hpc embed",
                        path_.native(), caption, sample);
  }
  const auto width = static_cast<std::size_t>(width_);
  const std::uint64_t row_bytes = width * sizeof(float);
  pread_all(file_.get(), std::as_writable_bytes(into.first(width)), images_.offset_bytes + sample * row_bytes,
            path_.native());
  pread_all(file_.get(), std::as_writable_bytes(into.subspan(width, width)), texts_.offset_bytes + text * row_bytes,
            path_.native());
}

}  // namespace clip_hpc
