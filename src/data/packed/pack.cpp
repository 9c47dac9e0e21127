#include "clip_hpc/data/packed/pack.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kReasonsKept = 5;

std::string lines_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string classnames_file(const std::string& label) {
  return label == "label" ? "classnames.txt" : "classnames_" + label.substr(label.find('_') + 1) + ".txt";
}

}  // namespace

Json to_json(const PackedPart& part) {
  return {{"part", part.part},
          {"file", part.shard.file},
          {"count", part.shard.count},
          {"size_bytes", part.shard.size_bytes},
          {"xxh64", part.shard.xxh64},
          {"min_side", part.min_side},
          {"max_side", part.max_side},
          {"min_captions", part.min_captions},
          {"max_captions", part.max_captions},
          {"label_names", part.label_names},
          {"skipped", part.skipped},
          {"reasons", part.reasons}};
}

PackedPart packed_part_from(const Json& json) {
  PackedPart part;
  part.part = json.at("part").get<std::uint64_t>();
  part.shard = {json.at("file").get<std::string>(), json.at("count").get<std::uint64_t>(),
                json.at("size_bytes").get<std::uint64_t>(), json.at("xxh64").get<std::string>()};
  part.min_side = json.at("min_side").get<std::uint32_t>();
  part.max_side = json.at("max_side").get<std::uint32_t>();
  part.min_captions = json.at("min_captions").get<std::uint64_t>();
  part.max_captions = json.at("max_captions").get<std::uint64_t>();
  part.label_names = json.at("label_names").get<std::vector<std::string>>();
  part.skipped = json.at("skipped").get<std::uint64_t>();
  part.reasons = json.at("reasons").get<std::vector<std::string>>();
  return part;
}

void prepare_set_folder(const std::filesystem::path& folder) {
  if (std::filesystem::exists(folder / "dataset.json")) {
    throw input_error("{} already holds a packed set: give another output folder or remove it", folder.native());
  }
  std::error_code code;
  std::filesystem::create_directories(folder, code);
  if (code) throw storage_error("cannot create the folder {}: {}", folder.native(), code.message());
}

PackedPart pack_part(const PackSource& source, std::uint64_t part, const std::filesystem::path& folder) {
  PackedPart packed;
  packed.part = part;
  packed.min_side = std::numeric_limits<std::uint32_t>::max();
  packed.min_captions = std::numeric_limits<std::uint64_t>::max();
  ShardWriter writer(folder / fmt::format("shard_{:05}.h5", part), source.info.encoding, source.info.channels);
  source.read_part(
      part,
      [&](const PackedSample& sample) {
        writer.add(sample);
        const auto captions =
            static_cast<std::uint64_t>(std::ranges::count(sample.captions, '\n')) + (sample.captions.empty() ? 0U : 1U);
        packed.min_side = std::min({packed.min_side, sample.width, sample.height});
        packed.max_side = std::max({packed.max_side, sample.width, sample.height});
        packed.min_captions = std::min(packed.min_captions, captions);
        packed.max_captions = std::max(packed.max_captions, captions);
      },
      [&](const std::string& what, const std::string& reason) {
        packed.skipped += 1;
        if (packed.reasons.size() < kReasonsKept) packed.reasons.push_back(what + ": " + reason);
      });
  packed.label_names = writer.label_names();
  if (writer.count() > 0) packed.shard = writer.finish();
  return packed;
}

DatasetInfo finish_set(const PackSource& source, std::vector<PackedPart> parts, const std::filesystem::path& folder) {
  std::erase_if(parts, [](const PackedPart& part) { return part.shard.count == 0; });
  if (parts.empty()) throw input_error("no sample to pack into {}: check the input", folder.native());
  std::ranges::sort(parts, {}, &PackedPart::part);
  DatasetInfo info = source.info;
  info.min_side = std::numeric_limits<std::uint32_t>::max();
  info.min_captions = std::numeric_limits<std::uint64_t>::max();
  info.label_names = parts.front().label_names;
  for (const PackedPart& part : parts) {
    if (part.label_names != info.label_names) {
      throw input_error("all samples of a set need the same labels; part {} of {} differs", part.part, folder.native());
    }
    info.shards.push_back(part.shard);
    info.count += part.shard.count;
    info.min_side = std::min(info.min_side, part.min_side);
    info.max_side = std::max(info.max_side, part.max_side);
    info.min_captions = std::min(info.min_captions, part.min_captions);
    info.max_captions = std::max(info.max_captions, part.max_captions);
  }
  for (const auto& [label, names] : source.classnames) {
    write_file_atomic(folder / classnames_file(label), lines_of(names));
  }
  if (!source.templates.empty()) {
    write_file_atomic(folder / "zeroshot_classification_templates.txt", lines_of(source.templates));
  }
  write_dataset_json(folder, info);
  return info;
}

}  // namespace clip_hpc
