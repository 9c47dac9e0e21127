#include "clip_hpc/data/webdataset.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/decode.hpp"
#include "clip_hpc/data/resize.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;
using Bytes = std::vector<std::uint8_t>;
using Fields = std::map<std::string, Bytes>;  // by extension, lower case

struct CloseArchive {
  void operator()(archive* tar) const { archive_read_free(tar); }
};
using Archive = std::unique_ptr<archive, CloseArchive>;

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

Error broken(const fs::path& path, archive* tar) {
  const char* reason = archive_error_string(tar);
  return storage_error("{}: broken tar file: {}; copy it again", path.native(), reason != nullptr ? reason : "?");
}

Archive open_tar(const fs::path& path) {
  Archive tar(archive_read_new());
  archive_read_support_format_tar(tar.get());
  archive_read_support_filter_all(tar.get());
  constexpr std::size_t kBlockBytes = 1 << 20;
  if (archive_read_open_filename(tar.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK) throw broken(path, tar.get());
  return tar;
}

struct EntryName {
  std::string key, extension;
};

EntryName split_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t dot = path.find('.', base);
  if (dot == std::string::npos || dot == base) return {path, ""};
  EntryName name{path.substr(0, dot), path.substr(dot + 1)};
  std::ranges::transform(name.extension, name.extension.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return name;
}

// Calls take(key, fields) for each sample of the tar, in its order.
template <class Take>
void for_each_sample(const fs::path& path, const Take& take) {
  const Archive tar = open_tar(path);
  std::string key;
  Fields fields;
  archive_entry* entry = nullptr;
  while (true) {
    const int code = archive_read_next_header(tar.get(), &entry);
    if (code == ARCHIVE_EOF) break;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) throw broken(path, tar.get());
    const char* path_name = archive_entry_pathname(entry);
    if (archive_entry_filetype(entry) != AE_IFREG || path_name == nullptr) continue;
    const EntryName name = split_name(path_name);
    if (name.extension.empty()) continue;
    if (name.key != key && !fields.empty()) {
      take(key, fields);
      fields.clear();
    }
    key = name.key;
    Bytes& bytes = fields[name.extension];
    bytes.resize(static_cast<std::size_t>(archive_entry_size(entry)));
    const la_ssize_t got = archive_read_data(tar.get(), bytes.data(), bytes.size());
    if (got < 0 || static_cast<std::size_t>(got) != bytes.size()) throw broken(path, tar.get());
  }
  if (!fields.empty()) take(key, fields);
}

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

std::string one_line(std::string text) {  // a line break in a packed set parts captions
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  const std::size_t begin = text.find_first_not_of(' ');
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

const Bytes* picture_of(const Fields& fields) {
  for (const char* extension : {"jpg", "jpeg", "png", "webp"}) {
    if (const auto found = fields.find(extension); found != fields.end()) return &found->second;
  }
  return nullptr;
}

std::array<std::uint64_t, 2> uid_of(const Json& about, const std::string& tar_and_key) {
  const auto found = about.find("uid");
  if (found != about.end() && found->is_string()) {
    const std::string text = found->get<std::string>();
    std::array<std::uint64_t, 2> uid{};
    const char* digits = text.data();
    if (text.size() == 32 && std::from_chars(digits, digits + 16, uid[0], 16).ptr == digits + 16 &&
        std::from_chars(digits + 16, digits + 32, uid[1], 16).ptr == digits + 32) {
      return uid;
    }
  }
  const auto bytes = std::as_bytes(std::span(tar_and_key));
  return {xxh64(bytes, 1), xxh64(bytes, 2)};
}

// As a packed sample. Throws storage with the reason where it cannot be one.
PackedSample make_sample(const Fields& fields, const std::string& tar_and_key, const WebDatasetOptions& options) {
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
  sample.uid = uid_of(about, tar_and_key);
  if (const auto found = fields.find("cls"); found != fields.end()) {
    const std::string digits = one_line(text_of(found->second));
    std::int32_t label = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), label);
    if (code != std::errc{} || end != digits.data() + digits.size()) throw storage_error("cls is not a number");
    sample.labels["label"] = label;
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
    for_each_sample(tar, [&](const std::string& key, const Fields& fields) {
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
