#include <array>

#include "clip_hpc/data/sources/built_in/embedded_emoji.hpp"
#include "clip_hpc/data/sources/built_in/embedded_glyphs.hpp"
#include "clip_hpc/data/sources/clip_benchmark.hpp"
#include "clip_hpc/data/sources/csv.hpp"
#include "clip_hpc/data/sources/repacked.hpp"
#include "clip_hpc/data/sources/source.hpp"
#include "clip_hpc/data/sources/webdataset.hpp"

namespace clip_hpc {

std::span<const SourceKind> source_kinds() {
  static constexpr std::array kKinds = std::to_array<SourceKind>({
      {"webdataset", "tar files of images and captions, as img2dataset writes them; a tar becomes a shard",
       declare_webdataset},
      {"clip_benchmark",
       "a folder of CLIP_benchmark's: test/0.tar …, classnames.txt, templates; several captions per image",
       declare_clip_benchmark},
      {"packed", "a packed set again, as it is or with the captions of a share swapped", declare_repacked},
      {"csv", "CSV files of image paths and captions, as open_clip trains from them", declare_csv},
      {"glyphs", "letters of the installed fonts and their Unicode names, with letters, pairs and faces held out",
       declare_glyphs},
      {"emoji", "colour emoji with names and keywords, with emoji held out", declare_emoji},
  });
  return kKinds;
}

}  // namespace clip_hpc
