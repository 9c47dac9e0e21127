// Features of a packed set's samples as clip_hpc embed writes them, read row by row: a teacher's, for distillation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"

namespace clip_hpc {

class StoredFeatures {
 public:
  // Of all samples and captions of `set`, or it throws input. Throws storage where the file cannot be read. Memory does
  // not grow with the set.
  StoredFeatures(const std::filesystem::path& path, const PackedSet& set);

  std::int64_t width() const { return width_; }  // of one feature
  double scale() const { return scale_; }        // on cosine similarities, of the model that made them
  std::string fingerprint() const;               // of the features' beginning: another file has another

  // `into` [2 * width]: the features of the image and of its caption number `caption`. From any thread. Throws storage.
  void read(std::uint64_t sample, int caption, std::span<float> into) const;

 private:
  std::int64_t image_of(std::uint64_t text) const;
  std::uint64_t first_text_of(std::uint64_t sample) const;

  std::filesystem::path path_;
  FileDescriptor file_;
  FileRegion images_, texts_, image_of_;
  std::uint64_t samples_ = 0, captions_ = 0;
  std::int64_t width_ = 0;
  double scale_ = 100;
};

}  // namespace clip_hpc
