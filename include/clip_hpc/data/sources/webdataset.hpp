// WebDataset tar files (img2dataset, DataComp, open_clip's training sets) as a source for packing. One tar becomes one
// shard. A sample is a run of entries whose path is the same up to the first dot of the file name: one image, a caption
// (txt, else "caption" of json), and optionally a class number (cls).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/sources/source.hpp"

namespace clip_hpc {

struct WebDatasetOptions {
  std::vector<std::filesystem::path> inputs{};  // tar files, or folders of them
  int size = 0;                                 // images with a longer short side are scaled down to it; 0: as they are
  int jpeg_quality = 95;                        // of those that are scaled
  std::vector<std::string> caption_keys{};      // keys of json that are asked before txt
};

// Tar files in order of their names. Throws input when there is none. While packing, a sample without an image or a
// caption, or one that cannot be decoded, is skipped with its reason; in a set with classes (most of the first samples
// have a cls) also one without. A broken tar throws storage, naming the file. The uid is "uid" of json (32 hexadecimal
// digits, as in DataComp), else a hash of image, caption, and tar name and key below the input.
PackSource open_webdataset(const WebDatasetOptions& options);

OpenSource declare_webdataset(ArgumentTable& words);

}  // namespace clip_hpc
