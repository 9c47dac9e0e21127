// WebDataset tar files (img2dataset, DataComp, open_clip's training sets) as a source for packing. One tar becomes one
// shard. A sample is a run of entries whose path is the same up to the first dot of the file name: one picture (jpg,
// jpeg, png, webp), a caption (txt, else "caption" of json), and optionally a class number (cls).
#pragma once

#include <filesystem>
#include <vector>

#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/sources/source.hpp"

namespace clip_hpc {

struct WebDatasetOptions {
  std::vector<std::filesystem::path> inputs;  // tar files, or folders of them
  int size = 0;                               // pictures with a longer short side are scaled down to it; 0: as they are
  int jpeg_quality = 95;                      // of those that are scaled
};

// Tar files in order of their names. Throws input when there is none. While packing, a sample without a picture or a
// caption, or one that cannot be decoded, is skipped with its reason; a broken tar throws storage, naming the file.
// The uid is "uid" of json (32 hexadecimal digits, as in DataComp), else a hash of tar name and key.
PackSource open_webdataset(const WebDatasetOptions& options);

OpenSource declare_webdataset(ArgumentTable& words);

}  // namespace clip_hpc
