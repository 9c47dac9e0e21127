#include "clip_hpc/data/sources/webdataset.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <memory>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "data/sources/reading/files.hpp"
#include "data/sources/reading/picture.hpp"
#include "data/sources/reading/sample_json.hpp"
#include "data/sources/reading/tar_file.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 6> kTarEndings{".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst"};
constexpr std::size_t kPeeked = 100;  // samples that say whether the set has classes

struct PeekedEnough {};

// Whether most of the first samples have a cls: a set has labels in all samples, or in none.
bool has_classes(const std::vector<InputFile>& tars) {
  std::size_t images = 0, classes = 0;
  const auto count = [&](const TarSample& sample) {
    if (image_of(sample.fields) == nullptr) return;
    images += 1;
    classes += sample.fields.contains("cls") ? 1 : 0;
    if (images == kPeeked) throw PeekedEnough{};
  };
  for (const InputFile& tar : tars) {
    try {
      read_tar(tar.path, count);
    } catch (const PeekedEnough&) {
    } catch (const Error&) {  // is named when it is packed
    }
    if (images > 0) break;
  }
  return 2 * classes > images;
}

Error no_image(const TarSample& sample) {
  for (const auto& [extension, target] : sample.links) {
    if (is_image_extension(extension)) {
      return storage_error("no image: .{} is a link to {}, and links have no bytes; write the tar file with tar -h",
                           extension, target);
    }
  }
  for (const std::string& other : sample.others) {
    if (is_image_extension(other.substr(other.rfind('.') + 1))) {
      return storage_error("no image: found {}; a key ends at the first dot of the file name, rename the members",
                           sample.found());
    }
  }
  return storage_error("no image (jpg, png, webp, gif, bmp, tif): found {}", sample.found());
}

Error no_caption(const TarSample& sample, const Json& about) {
  const std::vector<std::string> keys = text_keys(about);
  if (!keys.empty()) {
    return storage_error("no caption (txt, or \"caption\" in json): json has {}; --caption-key takes one of them",
                         fmt::join(keys, ", "));
  }
  return storage_error("no caption (txt, or \"caption\" in json): found {}{}", sample.found(),
                       sample.fields.contains("cls") ? "; --from clip_benchmark packs classes without captions" : "");
}

// As a packed sample. Throws storage with the reason where it cannot be one. `path`: tar file and key below the input.
// `is_repaired`: bytes of its json are replaced.
PackedSample make_sample(const TarSample& from, const std::string& path, bool labelled,
                         const WebDatasetOptions& options, bool& is_repaired) {
  const TarFields& fields = from.fields;
  const std::vector<std::uint8_t>* image = image_of(fields);
  if (image == nullptr) throw no_image(from);
  const auto json = fields.find("json"), txt = fields.find("txt"), cls = fields.find("cls");
  const SampleJson read =
      json != fields.end() ? sample_json(json->second) : SampleJson{.about = Json::object(), .is_repaired = false};
  const Json& about = read.about;
  is_repaired = read.is_repaired;
  PackedSample sample;
  sample.captions = caption_of(about, txt != fields.end() ? text_of(txt->second) : std::string(), options.caption_keys);
  if (sample.captions.empty()) throw no_caption(from, about);
  if (labelled) {
    if (cls == fields.end()) throw storage_error("no cls, which the other samples have");
    sample.labels["label"] = class_number(cls->second);
  }
  put_picture(*image, {options.size, options.jpeg_quality}, sample);
  sample.uid = uid_in(about).value_or(content_uid(*image, sample.captions, path));
  return sample;
}

void read_part(const InputFile& tar, bool labelled, const WebDatasetOptions& options, const PackSink& sink) {
  const std::string& name = tar.name;
  std::uint64_t apart = 0;
  const TarRemarks remarks = read_tar(tar.path, [&](const TarSample& from) {
    const std::string path = name + "/" + from.key;
    PackedSample sample;
    bool is_repaired = false;
    try {
      sample = make_sample(from, path, labelled, options, is_repaired);
    } catch (const Error& problem) {
      apart += from.again ? 1 : 0;
      if (!from.again) sink.skip(path, problem.what());  // else counted when its key came first
      return;
    }
    if (!labelled && from.fields.contains("cls")) sink.warn(path, "has a cls, which most samples lack: it is left out");
    if (is_repaired) {
      sink.warn(path, "the json is not UTF-8, or holds half a surrogate pair: U+FFFD takes the place of such bytes");
    }
    sink.add(path, sample);
  });
  if (apart > 0) {
    sink.warn(name, fmt::format("{} samples have members that do not follow one another, and are not packed: write the "
                                "tar file with tar --sort=name",
                                apart));
  }
  if (remarks.twice > 0) {
    sink.warn(name + "/" + remarks.first_twice,
              fmt::format("{} members of the tar file have a name that was there before", remarks.twice));
  }
  if (remarks.nameless > 0) sink.warn(name, fmt::format("{} members have no readable name", remarks.nameless));
  if (!remarks.has_end) {
    sink.warn(name, "the tar file has no end (two blocks of zeros): perhaps it is cut off, copy it again");
  }
  if (remarks.has_more) {
    sink.warn(name, "bytes behind the end of the tar file are not read: was it joined of several with cat?");
  }
}

}  // namespace

PackSource open_webdataset(const WebDatasetOptions& options) {
  const std::vector<InputFile> tars = find_files(options.inputs, kTarEndings);
  PackSource source;
  source.info.name = tars.front().path.parent_path().filename().native();
  source.info.encoding = "mixed";
  source.info.channels = 3;
  source.info.source =
      fmt::format("{} WebDataset tar files, {} to {}", tars.size(), tars.front().name, tars.back().name);
  source.info.licence = "that of the input";
  source.parts = tars.size();
  const bool labelled = has_classes(tars);
  source.read_part = [tars, labelled, options](std::uint64_t part, const PackSink& sink) {
    read_part(tars[part], labelled, options, sink);
  };
  source.fingerprint = [tars, labelled, options](std::uint64_t part) {
    return fmt::format("webdataset {} as {}, size {}, quality {}, labelled {}, captions {}", state_of(tars[part]),
                       tars[part].name, options.size, options.jpeg_quality, labelled,
                       fmt::join(options.caption_keys, ","));
  };
  return source;
}

OpenSource declare_webdataset(ArgumentTable& words) {
  struct Words {
    std::vector<std::string> input, caption_keys;
    std::int64_t size = 0;
  };
  const auto o = std::make_shared<Words>();
  words.add("input", o->input, "tar files, or folders of them");
  words.add("size", o->size, kPictureSizeHelp, in_range(std::int64_t{0}, std::int64_t{4096}));
  words.add("caption-key", o->caption_keys,
            "keys of json to take the caption from, in this order; then txt, then \"caption\" of json");
  return [o] {
    if (o->input.empty()) throw input_error("clip_hpc pack --from webdataset needs --input");
    WebDatasetOptions options;
    options.inputs.assign(o->input.begin(), o->input.end());
    options.size = static_cast<int>(o->size);
    options.caption_keys = o->caption_keys;
    OpenedSource opened;
    opened.sets.push_back({"", open_webdataset(options), {}});
    return opened;
  };
}

}  // namespace clip_hpc
