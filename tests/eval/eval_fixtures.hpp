// A packed set, a tokenizer and a model that are small enough to be evaluated one sample at a time.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc::test {

constexpr std::uint32_t kSide = 32;
constexpr std::uint64_t kPictures = 150;  // three blocks of evaluation, the last one short

inline const std::vector<std::string>& colours() {
  static const std::vector<std::string> names{"red", "green", "blue", "white", "black", "pink", "grey", "brown"};
  return names;
}

inline const std::vector<std::string>& things() {
  static const std::vector<std::string> names{"house", "tree", "river", "stone", "bird", "boat", "cloud"};
  return names;
}

// Picture `index`: noise over a shade; its captions, one to three, all differ; the last colour never occurs.
inline PackedSample noise_sample(std::uint64_t index) {
  PackedSample sample;
  sample.width = sample.height = kSide;
  RandomStream random(17, Purpose::augment, index);
  const std::uint32_t shade = random.below(128);
  for (std::uint32_t i = 0; i < 3 * kSide * kSide; ++i) {
    sample.image.push_back(static_cast<std::uint8_t>(shade + random.below(128)));
  }
  const std::size_t colour = index % (colours().size() - 1);
  for (std::uint64_t i = 0; i <= index % 3; ++i) {
    if (i > 0) sample.captions += '\n';
    sample.captions += fmt::format("{}{} {} {}", index, "xyz"[i], colours()[colour], things()[random.below(7)]);
  }
  sample.uid = {index, index + 1};
  sample.labels = {{"label", static_cast<std::int32_t>(colour)},
                   {"label_size", static_cast<std::int32_t>(index % 4 / 2)}};
  return sample;
}

inline void write_lines(const std::filesystem::path& path, const std::vector<std::string>& lines) {
  write_file_atomic(path, fmt::format("{}\n", fmt::join(lines, "\n")));
}

// `count` pictures with class names, templates and a tokenizer.
inline void write_noise_set(const std::filesystem::path& folder, std::uint64_t count = kPictures) {
  DatasetInfo info;
  info.name = "noise";
  info.encoding = "raw";
  info.channels = 3;
  info.source = "test";
  SetWriter writer(folder, info, {.samples_per_shard = 64});
  std::vector<std::string> captions;
  for (std::uint64_t i = 0; i < count; ++i) {
    writer.add(noise_sample(i));
    captions.push_back(noise_sample(i).captions);
  }
  writer.finish();
  write_lines(folder / "classnames.txt", colours());
  write_lines(folder / "classnames_size.txt", {"small", "large", "huge"});
  write_lines(folder / "zeroshot_classification_templates.txt", {"{c}", "a {c} house", "{c} tree in a picture"});
  train_sentencepiece(captions, 320, folder / kTokenizerFileName);
}

inline constexpr const char* kTinyModel = R"({"embed_dim": 16,
  "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
  "text_cfg": {"context_length": 12, "vocab_size": 320, "width": 32, "heads": 2, "layers": 2, "pool_type": "eos"}})";

}  // namespace clip_hpc::test
