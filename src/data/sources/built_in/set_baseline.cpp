#include "clip_hpc/data/sources/built_in/set_baseline.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/sources/built_in/pixel_baseline.hpp"

namespace clip_hpc {
namespace {

struct Pictures {
  std::vector<std::uint8_t> pixels;  // [count, dim]
  std::size_t dim = 0;
};

Pictures read_pictures(const PackedSet& set) {
  Pictures pictures;
  RawSample raw;
  for (std::uint64_t i = 0; i < set.count(); ++i) {
    set.read_into(i, raw);
    const std::vector<std::uint8_t> pixels = set.is_raw() ? std::move(raw.image) : decode_image(raw.image).pixels;
    if (pictures.dim == 0) pictures.dim = pixels.size();
    if (pixels.size() != pictures.dim) {
      throw input_error("{}: pictures of several sizes; the pixel baseline needs one size", set.folder().native());
    }
    pictures.pixels.insert(pictures.pixels.end(), pixels.begin(), pixels.end());
  }
  return pictures;
}

}  // namespace

Json write_pixel_baseline(const std::filesystem::path& train_folder, const std::filesystem::path& test_folder) {
  const PackedSet train(train_folder), test(test_folder);
  const Pictures train_pictures = read_pictures(train), test_pictures = read_pictures(test);
  if (train_pictures.dim != test_pictures.dim) {
    throw input_error("{} and {} hold pictures of different sizes", train_folder.native(), test_folder.native());
  }
  const PixelSet train_set{train_pictures.pixels, train.count(), train_pictures.dim};
  const PixelSet test_set{test_pictures.pixels, test.count(), test_pictures.dim};
  Json baseline = Json::object();
  for (const std::string& label : test.info().label_names) {
    // A class that training knows is answered by its label; an unknown one by the name with most words in common.
    if (std::ranges::find(train.info().label_names, label) == train.info().label_names.end()) continue;
    const std::vector<std::string> train_names = train.classnames(label), test_names = test.classnames(label);
    const std::vector<std::int32_t> train_labels = train.all_labels(label), test_labels = test.all_labels(label);
    const bool same_names = train_names == test_names;
    const WordOverlap overlap(test_names);
    std::vector<std::int32_t> answer(train_names.size());  // by training class
    for (std::size_t i = 0; i < answer.size(); ++i) {
      answer[i] = same_names ? static_cast<std::int32_t>(i) : overlap.best_class(train_names[i]);
    }
    const double acc1 = nearest_pixel_accuracy(train_set, test_set, test_labels, [&](std::size_t nearest) {
      return answer[static_cast<std::size_t>(train_labels[nearest])];
    });
    baseline[label] = {{"acc1", acc1},
                       {"name", same_names ? "nearest training picture" : "nearest picture, most words in common"}};
  }
  write_json_file(test_folder / "baseline.json", baseline);
  return baseline;
}

}  // namespace clip_hpc
