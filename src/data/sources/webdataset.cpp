#include "clip_hpc/data/sources/webdataset.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/image/resize.hpp"
#include "clip_hpc/data/sources/tar_file.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;

std::vector<fs::path> find_tars(const std::vector<fs::path>& inputs) {
  std::vector<fs::path> tars;
  for (const fs::path& input : inputs) {
    if (fs::is_directory(input)) {
      for (const auto& entry : fs::directory_iterator(input)) {
        if (entry.path().extension() == ".tar") tars.push_back(entry.path());
      }
    } else if (fs::exists(input)) {
      tars.push_back(input);
    } else {
      throw input_error("--input {} does not exist", input.native());
    }
  }
  std::ranges::sort(tars);
  if (tars.empty()) throw input_error("--input holds no .tar file: give tar files, or folders of them");
  return tars;
}

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

std::string one_line(std::string text) {  // a line break in a packed set parts captions
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

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
  const ImageSize stored = probe_size(*picture);
  const int shorter = std::min(stored.width, stored.height);
  if (options.size > 0 && shorter > options.size) {
    const Image whole = decode_image(*picture, options.size);
    const double scale = static_cast<double>(options.size) / std::min(whole.width, whole.height);
    const auto scaled = [&](int side) { return std::max(1, static_cast<int>(side * scale)); };
    const Image small = whole.width < whole.height ? resize(whole, options.size, scaled(whole.height), Filter::bicubic)
                                                   : resize(whole, scaled(whole.width), options.size, Filter::bicubic);
    sample.image = encode_jpeg(small, options.jpeg_quality);
    sample.width = static_cast<std::uint32_t>(small.width);
    sample.height = static_cast<std::uint32_t>(small.height);
  } else {
    decode_image(*picture);  // once, here, rather than in every epoch
    sample.image = *picture;
    sample.width = static_cast<std::uint32_t>(stored.width);
    sample.height = static_cast<std::uint32_t>(stored.height);
  }
  sample.uid = uid_of(fields, tar_and_key);
  if (const auto found = fields.find("cls"); found != fields.end()) {
    sample.labels["label"] = class_number(found->second);
  }
  return sample;
}

}  // namespace

PackSource open_webdataset(const WebDatasetOptions& options) {
  const std::vector<fs::path> tars = find_tars(options.inputs);
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

}  // namespace clip_hpc
