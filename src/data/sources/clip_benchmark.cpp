#include "clip_hpc/data/sources/clip_benchmark.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/sources/tar_file.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCount = "nshards.txt";
constexpr const char* kNames = "classnames.txt";
constexpr const char* kTemplates = "zeroshot_classification_templates.txt";
constexpr const char* kType = "dataset_type.txt";

// What ends a line for Python but a carriage return before a line feed, in UTF-8.
constexpr std::array<std::string_view, 10> kLineEnds{"\n",   "\r",   "\v",       "\f",           "\x1c",
                                                     "\x1d", "\x1e", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9"};

std::size_t line_end_bytes(std::string_view text) {  // 0: the text begins with something else
  if (text.starts_with("\r\n")) return 2;
  for (const std::string_view end : kLineEnds) {
    if (text.starts_with(end)) return end.size();
  }
  return 0;
}

std::string trimmed(std::string_view text) { return std::string(trim(text, kPythonSpaces)); }

// Lines of a side file; none where it is not there. A line in the middle that is empty would shift those behind it.
std::vector<std::string> side_file(const fs::path& path, const char* what) {
  if (!fs::exists(path)) return {};
  std::vector<std::string> lines = python_lines(read_text_file(path));
  for (std::string& line : lines) line = trimmed(line);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].empty()) throw input_error("{}: line {} is empty: give a {}", path.native(), i + 1, what);
  }
  return lines;
}

std::uint64_t shard_count(const fs::path& folder) {
  const std::string text = trimmed(read_text_file(folder / kCount));
  std::uint64_t count = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (code != std::errc{} || end != text.data() + text.size()) {
    throw input_error("{} holds \"{}\": the number of tar files is wanted", (folder / kCount).native(), text);
  }
  if (count == 0) throw input_error("{} says 0 tar files: the split is empty", (folder / kCount).native());
  return count;
}

struct Expected {
  bool retrieval = false;
  std::int64_t classes = 0;  // 0: nothing names them
};

PackedSample make_sample(const TarFields& fields, const std::string& where, const Expected& expected) {
  const std::vector<std::uint8_t>* picture = picture_of(fields);
  if (picture == nullptr) throw storage_error("{}: no jpg, jpeg, png or webp: write the tar file again", where);
  PackedSample sample;
  try {
    const Image whole = decode_image(*picture);  // once, here, rather than in the middle of an evaluation
    sample.width = static_cast<std::uint32_t>(whole.width);
    sample.height = static_cast<std::uint32_t>(whole.height);
  } catch (const Error& problem) {
    throw storage_error("{}: {}: write the tar file again", where, problem.what());
  }
  sample.image = *picture;
  if (const auto txt = fields.find("txt"); txt != fields.end()) {
    const std::vector<std::string> lines = python_lines({txt->second.begin(), txt->second.end()});
    sample.captions = fmt::format("{}", fmt::join(lines, "\n"));
    if (lines.empty() && expected.retrieval) throw storage_error("{}: txt is empty: write a caption a line", where);
  } else if (expected.retrieval) {
    throw storage_error("{}: no txt with captions, which a retrieval set has: write the tar file again", where);
  }
  if (const auto cls = fields.find("cls"); cls != fields.end()) {
    std::int32_t label = 0;
    try {
      label = class_number(cls->second);
    } catch (const Error& problem) {
      throw storage_error("{}: {}: write the tar file again", where, problem.what());
    }
    if (label < 0 || (expected.classes > 0 && label >= expected.classes)) {
      throw input_error("{}: class {} is outside the {} lines of {}: mend the labels or the class names", where, label,
                        expected.classes, kNames);
    }
    sample.labels["label"] = label;
  } else if (!expected.retrieval) {
    throw storage_error("{}: no cls with the class, which a classification set has: write the tar file again", where);
  }
  sample.uid = uid_of(fields, where);
  return sample;
}

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

const char* extension_of(std::span<const std::uint8_t> picture) {
  switch (format_of(picture)) {
    case ImageFormat::jpeg:
      return "jpg";
    case ImageFormat::png:
      return "png";
    case ImageFormat::webp:
      return "webp";
    case ImageFormat::unknown:
      break;
  }
  throw storage_error("a picture is neither JPEG, PNG nor WebP: repack the set with clip_hpc pack");
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

std::vector<std::string> python_lines(const std::string& text) {
  std::vector<std::string> lines;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t bytes = line_end_bytes(std::string_view(text).substr(i));
    if (bytes > 0) {
      lines.push_back(text.substr(begin, i - begin));
      begin = i + bytes;
    }
    i += std::max<std::size_t>(1, bytes);
  }
  if (begin < text.size()) lines.push_back(text.substr(begin));
  return lines;
}

std::vector<std::string> clip_benchmark_splits(const fs::path& folder) {
  std::vector<std::string> splits;
  if (fs::is_directory(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (fs::exists(entry.path() / kCount)) splits.push_back(entry.path().filename().native());
    }
  }
  if (splits.empty()) {
    throw input_error("{} holds no split (a folder with {}): --input is the folder that holds test/ or train/",
                      folder.native(), kCount);
  }
  std::ranges::sort(splits);
  return splits;
}

PackSource open_clip_benchmark(const fs::path& named, const std::string& split) {
  const fs::path folder = without_slash(named);
  const std::vector<std::string> splits = clip_benchmark_splits(folder);
  if (std::ranges::find(splits, split) == splits.end()) {
    throw input_error("{} has no split {}: it has {}", folder.native(), split, fmt::join(splits, ", "));
  }
  const std::string type = fs::exists(folder / kType) ? trimmed(read_text_file(folder / kType)) : "classification";
  if (type != "classification" && type != "retrieval") {
    throw input_error("{} says \"{}\": sets of classification and retrieval can be packed", (folder / kType).native(),
                      type);
  }
  Expected expected{type == "retrieval"};
  PackSource source;
  if (!expected.retrieval) {
    const std::vector<std::string> names = side_file(folder / kNames, "class name");
    expected.classes = std::ssize(names);
    if (!names.empty()) source.classnames["label"] = names;
    source.templates = side_file(folder / kTemplates, "template");
    for (const std::string& form : source.templates) {
      if (form.find("{c}") == std::string::npos && form.find("{}") == std::string::npos) {
        throw input_error("{}: template \"{}\" has no {{c}} for the class name", (folder / kTemplates).native(), form);
      }
    }
  }
  const fs::path at = folder / split;
  source.info.name = folder.filename().native();
  source.info.encoding = "mixed";
  source.info.channels = 3;
  source.parts = shard_count(at);
  source.info.source = fmt::format("CLIP_benchmark folder {}, {}: {} tar files", source.info.name, split, source.parts);
  source.info.licence = "that of the input";
  for (std::uint64_t part = 0; part < source.parts; ++part) {
    const fs::path tar = at / fmt::format("{}.tar", part);
    if (!fs::exists(tar)) {
      throw storage_error("{} is missing though {} says {}: copy it again", tar.native(), kCount, source.parts);
    }
  }
  source.read_part = [at, expected](std::uint64_t part, const PackSource::Add& add, const PackSource::Skip&) {
    const fs::path tar = at / fmt::format("{}.tar", part);
    read_tar(tar, [&](const std::string& key, const TarFields& fields) {
      add(make_sample(fields, tar.native() + "/" + key, expected));
    });
  };
  return source;
}

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
  TarWriter tar(target.folder / target.split / fmt::format("{}.tar", shard));
  RawSample sample;
  for (const std::uint64_t end = index + set.info().shards[shard].count; index < end; ++index) {
    set.read_into(index, sample);
    if (set.is_raw()) {
      sample.image =
          encode_png(image_from_raw(std::move(sample.image), sample.width, sample.height, set.info().channels));
    }
    const std::string key = fmt::format("s{:07}", index);
    const auto put = [&](const std::string& extension, std::string_view bytes) {
      tar.add(key + "." + extension, bytes);
    };
    put(extension_of(sample.image), {reinterpret_cast<const char*>(sample.image.data()), sample.image.size()});
    if (!target.retrieval) put("cls", std::to_string(sample.labels.at(target.label)));
    if (target.retrieval || !sample.captions.empty()) put("txt", as_lines_of_python(sample.captions));
    put("json", Json{{"uid", hex64(sample.uid[0]) + hex64(sample.uid[1])}}.dump());
  }
  tar.finish();
}

void finish_clip_benchmark(const PackedSet& set, const ClipBenchmarkTarget& target) {
  write_file_atomic(target.folder / target.split / kCount, fmt::format("{}\n", set.info().shards.size()));
}

}  // namespace clip_hpc
