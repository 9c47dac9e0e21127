// Features, model inputs and token ids of images and texts into one HDF5 file, written by all ranks at once. Rows are
// computed in blocks of fixed size that go round the ranks: the file is the same, byte for byte, for any number of
// them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {

struct EmbedSource {  // a packed set, or files and lines
  std::optional<PackedSet> set;
  std::vector<std::filesystem::path> images;
  std::vector<std::string> texts;
};

struct EmbedParts {
  bool inputs = false;  // f32[n, 3, size, size]: what the image tower is given
  bool image = false;   // f32[n, dim], of unit length
  bool text = false;    // f32[m, dim], of unit length
  bool ids = false;     // i64[m, context]
};

// "image,text,ids" -> parts; none of them named: all that the source has, but inputs. Throws input for an unknown word,
// and for one that the source cannot give.
EmbedParts parse_embed_parts(const std::string& words, const EmbedSource& source);

// Collective. For a packed set also image_of i64[m]: the image that a caption belongs to. `about` becomes attributes:
// numbers and texts. Throws on all ranks or on none.
struct EmbedCounts {
  std::int64_t images = 0, texts = 0;
};
EmbedCounts embed(World& world, const EvalContext& context, const EmbedSource& source, const EmbedParts& parts,
                  const Json& about, const std::filesystem::path& output);

}  // namespace clip_hpc
