#include "clip_hpc/data/targets/clip_benchmark_target.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "data/sources/reading/clip_benchmark_files.hpp"
#include "data/sources/reading/tar_file.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;
using namespace clip_benchmark;

std::string lines_of(const std::vector<std::string>& lines) { return fmt::format("{}\n", fmt::join(lines, "\n")); }

// Writes a side file, or finds it as it would be.
void write_side_file(const fs::path& path, const std::string& content) {
  if (!fs::exists(path)) {
    write_file_atomic(path, content);
  } else if (read_text_file(path) != content) {
    throw input_error("{} differs from this set's: a folder holds the splits of one data set; give another --output",
                      path.native());
  }
}

std::string tar_extension(std::span<const std::uint8_t> image) {
  std::string extension = extension_of(format_of(image));
  if (extension.empty()) throw storage_error("an image of an unknown format: repack the set with clip_hpc pack");
  return extension;
}

std::string as_lines_of_python(const std::string& captions) {  // only '\n' parts captions in a packed set
  std::string text;
  for (std::size_t i = 0; i < captions.size();) {
    const std::size_t bytes = captions[i] == '\n' ? 0 : line_end_bytes(std::string_view(captions).substr(i));
    text += bytes == 0 ? captions[i] : ' ';
    i += std::max<std::size_t>(1, bytes);
  }
  return text;
}

}  // namespace

void prepare_clip_benchmark(const PackedSet& set, const ClipBenchmarkTarget& target) {
  if (fs::exists(target.folder / target.split / kCount)) {
    throw input_error("{} is there already: remove it, or give another --output or --split",
                      (target.folder / target.split).native());
  }
  std::optional<std::vector<std::string>> names;
  if (!target.retrieval) {
    names = set.classnames(target.label);
    for (const std::int32_t label : set.all_labels(target.label)) {
      if (label < 0 || label >= std::ssize(*names)) {
        throw input_error("{}: label {} is outside the {} class names: mend the labels or the class names",
                          set.folder().native(), label, names->size());
      }
    }
  }
  std::error_code code;
  fs::create_directories(target.folder / target.split, code);
  if (code) throw storage_error("cannot create {}: {}", (target.folder / target.split).native(), code.message());
  write_side_file(target.folder / kType, target.retrieval ? "retrieval\n" : "classification\n");
  if (!names) return;
  std::vector<std::string> templates = set.templates();
  for (std::string& form : templates) {  // Python's format wants a name in the braces
    if (form.find("{c}") != std::string::npos) continue;
    for (std::size_t at = form.find("{}"); at != std::string::npos; at = form.find("{}", at)) form.insert(at + 1, "c");
  }
  write_side_file(target.folder / kNames, lines_of(*names));
  write_side_file(target.folder / kTemplates, lines_of(templates));
}

void write_clip_benchmark_tar(const PackedSet& set, const ClipBenchmarkTarget& target, std::size_t shard) {
  std::uint64_t index = 0;
  for (std::size_t i = 0; i < shard; ++i) index += set.info().shards[i].count;
  TarWriter tar(tar_path(target.folder / target.split, shard));
  RawSample sample;
  for (const std::uint64_t end = index + set.info().shards[shard].count; index < end; ++index) {
    set.read_into(index, sample);
    if (set.is_raw()) {
      sample.image =
          encode_png(image_from_raw(std::move(sample.image), sample.width, sample.height, set.info().channels));
    }
    const std::string key = fmt::format("s{:07}", index);
    const auto put = [&](const std::string& extension, std::string_view bytes) {
      tar.add(fmt::format("{}.{}", key, extension), bytes);
    };
    put(tar_extension(sample.image), {reinterpret_cast<const char*>(sample.image.data()), sample.image.size()});
    if (!target.retrieval) put("cls", std::to_string(sample.labels.at(target.label)));
    if (target.retrieval || !sample.captions.empty()) put("txt", as_lines_of_python(sample.captions));
    put("json", Json{{"uid", hex64(sample.uid[0]) + hex64(sample.uid[1])}}.dump());
  }
  tar.finish();
}

void finish_clip_benchmark(const PackedSet& set, const ClipBenchmarkTarget& target) {
  write_file_atomic(target.folder / target.split / kCount, fmt::format("{}\n", set.info().shards.size()));
}

OpenTarget declare_clip_benchmark_target(ArgumentTable& words) {
  struct Words {
    std::string split = "test", type = "auto", label = "label";
  };
  const auto o = std::make_shared<Words>();
  words.add("split", o->split, "name of the split");
  words.add("type", o->type, "classification, retrieval, or auto: classification of a set with labels",
            one_of({"auto", "classification", "retrieval"}));
  words.add("label", o->label, "label or label_<name>");
  return [o](const PackedSet& set, const fs::path& output) {
    const bool retrieval = o->type == "retrieval" || (o->type == "auto" && set.info().label_names.empty());
    const ClipBenchmarkTarget target{output, o->split, retrieval, o->label};
    return PackTarget{output / o->split, [&set, target] { prepare_clip_benchmark(set, target); },
                      [&set, target](std::size_t shard) { write_clip_benchmark_tar(set, target, shard); },
                      [&set, target] { finish_clip_benchmark(set, target); }};
  };
}

}  // namespace clip_hpc
