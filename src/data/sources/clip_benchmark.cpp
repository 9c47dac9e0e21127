#include "clip_hpc/data/sources/clip_benchmark.hpp"

#include <algorithm>
#include <charconv>
#include <memory>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "data/sources/reading/clip_benchmark_files.hpp"
#include "data/sources/reading/files.hpp"
#include "data/sources/reading/sample_json.hpp"
#include "data/sources/reading/tar_file.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;
using namespace clip_benchmark;

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

// `path`: tar file and key below the folder.
PackedSample make_sample(const TarSample& from, const std::string& where, const std::string& path,
                         const Expected& expected) {
  const TarFields& fields = from.fields;
  const std::vector<std::uint8_t>* picture = image_of(fields);
  if (picture == nullptr) {
    throw storage_error("{}: no image, found {}: write the tar file again", where, from.found());
  }
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
    const std::vector<std::string> lines = python_lines(text_of(txt->second));
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
  const auto json = fields.find("json");
  sample.uid = uid_in(json != fields.end() ? sample_json(json->second).about : Json::object())
                   .value_or(content_uid(*picture, sample.captions, path));
  return sample;
}

}  // namespace

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
    const fs::path tar = tar_path(at, part);
    if (!fs::exists(tar)) {
      throw storage_error("{} is missing though {} says {}: copy it again", tar.native(), kCount, source.parts);
    }
  }
  source.read_part = [at, expected](std::uint64_t part, const PackSink& sink) {
    const fs::path tar = tar_path(at, part);
    const std::string name = (at.filename() / tar.filename()).native();
    const TarRemarks remarks = read_tar(tar, [&](const TarSample& from) {
      const std::string where = tar.native() + "/" + from.key;
      sink.add(where, make_sample(from, where, name + "/" + from.key, expected));
    });
    if (!remarks.has_end) {
      throw storage_error("{}: the tar file has no end (two blocks of zeros): is it cut off? Copy it again",
                          tar.native());
    }
    if (remarks.twice > 0) {
      throw storage_error("{}: member {} is there twice: write the tar file again", tar.native(), remarks.first_twice);
    }
  };
  source.fingerprint = [at, expected](std::uint64_t part) {
    return fmt::format("clip_benchmark {}, retrieval {}, classes {}", state_of({tar_path(at, part), ""}),
                       expected.retrieval, expected.classes);
  };
  return source;
}

OpenSource declare_clip_benchmark(ArgumentTable& words) {
  struct Words {
    std::vector<std::string> input;
    std::string split;
  };
  const auto o = std::make_shared<Words>();
  words.add("input", o->input, "the folder above test/");
  words.add("split", o->split, "this split alone; default: all");
  return [o] {
    if (o->input.size() != 1) throw input_error("clip_hpc pack --from clip_benchmark needs --input with one folder");
    const fs::path folder = o->input.front();
    OpenedSource opened;
    const std::vector<std::string> splits =
        o->split.empty() ? clip_benchmark_splits(folder) : std::vector<std::string>{o->split};
    for (const std::string& split : splits) opened.sets.push_back({split, open_clip_benchmark(folder, split), {}});
    return opened;
  };
}

}  // namespace clip_hpc
