// CSV files of image paths and captions, as open_clip trains from them (--dataset-type csv), as a source for packing.
// The first row names the columns. Quotes as in RFC 4180: a quoted field may hold separators, line breaks and, doubled,
// quotes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/sources/source.hpp"

namespace clip_hpc {

struct CsvOptions {
  std::vector<std::filesystem::path> inputs;                  // CSV files, or folders of them
  std::string image_key = "filepath", caption_key = "title";  // names of the columns
  char separator = '\t';
  int size = 0;  // images with a longer short side are scaled down to it
  std::uint64_t samples_per_part = 10'000;
};

// Reads each file once to cut its rows into parts, and remembers one offset per part. An image path is relative to the
// folder of its CSV file. Throws input for a missing column, storage for a quote that is never closed. While packing, a
// row without a caption, or whose image cannot be read or decoded, is skipped with its reason. The uid is a hash of
// image, caption, and the path as the file has it.
PackSource open_csv(const CsvOptions& options);

OpenSource declare_csv(ArgumentTable& words);

}  // namespace clip_hpc
