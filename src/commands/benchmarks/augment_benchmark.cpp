#include <fmt/format.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/bench/bench_augment.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/run/bench_lines.hpp"
#include "commands/benchmarks/benchmark.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kAugmentUsage =
    R"(clip_hpc bench augment: what one core augments a second, and a picture of what each augmentation does

bench/compare_augment.py puts Pillow and torchvision beside it.

Example:
  clip_hpc bench augment --json augment.jsonl
  clip_hpc bench augment --seconds 0 --sheet augment.png
)";

int run(World& world, std::span<const std::string> arguments) {
  std::int64_t size = 224, source = 256, tile = 128;
  double seconds = 0.5;
  std::string json, sheet, image, font = "/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf";
  ArgumentTable table;
  table.add("size", size, "pixels a side of a view", in_range(std::int64_t{8}, std::int64_t{4096}));
  table.add("source", source, "pixels a side of the picture that views are made of",
            in_range(std::int64_t{8}, std::int64_t{4096}));
  table.add("seconds", seconds, "time of one measurement; 0: none", in_range(0.0, 86400.0));
  table.add("json", json, "append one line a measurement to this file");
  table.add("sheet", sheet, "write a PNG with every operation and draws of every view");
  table.add("image", image, "the picture of the sheet, in place of a drawn one");
  table.add("tile", tile, "pixels a side of a picture on the sheet", in_range(std::int64_t{16}, std::int64_t{512}));
  table.add("font", font, "of the names on the sheet");
  if (!read_arguments(table, arguments, kAugmentUsage, world.rank() == 0)) return kExitDone;
  if (world.size() > 1) throw input_error("clip_hpc bench augment measures one core: start it without mpirun");
  if (seconds > 0) {
    fmt::print("{:<24} {:>12} {:>12}\n", "what", "images/s", "us");
    for (const AugmentRate& rate : bench_augment(static_cast<int>(size), static_cast<int>(source), seconds)) {
      fmt::print("{:<24} {:>12.0f} {:>12.1f}\n", rate.what, rate.images_per_s, 1e6 / rate.images_per_s);
      append_bench_line(json, LoadLine{"augment_" + rate.what, 1, rate.images_per_s, 0});
    }
  }
  if (sheet.empty()) return kExitDone;
  const auto side = static_cast<int>(tile);
  Image picture = augment_picture(2 * side);
  if (!image.empty()) {
    const std::string bytes = read_text_file(image);
    picture = decode_image({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }
  const std::vector<std::uint8_t> png = encode_png(augment_sheet(picture, side, font));
  write_file_atomic(sheet, {reinterpret_cast<const char*>(png.data()), png.size()});
  fmt::print("{}\n", sheet);
  return kExitDone;
}

}  // namespace

Benchmark augment_benchmark() { return {"augment", "augmentations of images, and a sheet of them", run}; }

}  // namespace clip_hpc
