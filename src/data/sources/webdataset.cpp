#include "clip_hpc/data/sources/webdataset.hpp"

#include <memory>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "data/sources/reading/files.hpp"
#include "data/sources/reading/picture.hpp"
#include "data/sources/reading/tar_file.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

// As a packed sample. Throws storage with the reason where it cannot be one.
PackedSample make_sample(const TarFields& fields, const std::string& tar_and_key, const WebDatasetOptions& options) {
  const Bytes* picture = picture_of(fields);
  if (picture == nullptr) throw storage_error("no jpg, jpeg, png or webp");
  Json about = Json::object();
  if (const auto found = fields.find("json"); found != fields.end()) {
    about = Json::parse(text_of(found->second), nullptr, false);
    if (!about.is_object()) about = Json::object();
  }
  PackedSample sample;
  if (const auto found = fields.find("txt"); found != fields.end()) {
    sample.captions = one_line(text_of(found->second));
  } else if (about.contains("caption") && about["caption"].is_string()) {
    sample.captions = one_line(about["caption"].get<std::string>());
  }
  if (sample.captions.empty()) throw storage_error("no caption (txt, or \"caption\" in json)");
  put_picture(*picture, {options.size, options.jpeg_quality}, sample);
  sample.uid = uid_of(fields, tar_and_key);
  if (const auto found = fields.find("cls"); found != fields.end()) {
    sample.labels["label"] = class_number(found->second);
  }
  return sample;
}

}  // namespace

PackSource open_webdataset(const WebDatasetOptions& options) {
  const std::vector<fs::path> tars = find_files(options.inputs, ".tar");
  PackSource source;
  source.info.name = tars.front().parent_path().filename().native();
  source.info.encoding = "mixed";
  source.info.channels = 3;
  source.info.source = fmt::format("{} WebDataset tar files, {} to {}", tars.size(), tars.front().filename().native(),
                                   tars.back().filename().native());
  source.info.licence = "that of the input";
  source.parts = tars.size();
  source.read_part = [tars, options](std::uint64_t part, const PackSource::Add& add, const PackSource::Skip& skip) {
    const fs::path& tar = tars[part];
    read_tar(tar, [&](const std::string& key, const TarFields& fields) {
      const std::string tar_and_key = tar.filename().native() + "/" + key;
      PackedSample sample;
      try {
        sample = make_sample(fields, tar_and_key, options);
      } catch (const Error& problem) {
        skip(tar_and_key, problem.what());
        return;
      }
      add(sample);
    });
  };
  return source;
}

OpenSource declare_webdataset(ArgumentTable& words) {
  struct Words {
    std::vector<std::string> input;
    std::int64_t size = 0;
  };
  const auto o = std::make_shared<Words>();
  words.add("input", o->input, "tar files, or folders of them");
  words.add("size", o->size, kPictureSizeHelp, in_range(std::int64_t{0}, std::int64_t{4096}));
  return [o] {
    if (o->input.empty()) throw input_error("clip_hpc pack --from webdataset needs --input");
    OpenedSource opened;
    opened.sets.push_back({"", open_webdataset({{o->input.begin(), o->input.end()}, static_cast<int>(o->size)}), {}});
    return opened;
  };
}

}  // namespace clip_hpc
