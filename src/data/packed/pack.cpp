#include "clip_hpc/data/packed/pack.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/text.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// A class name or a prompt stays what it is, but for bytes that are no UTF-8.
std::string clean_text(const std::string& text) {
  std::string clean = repaired_utf8(text);
  for (std::size_t at = clean.find('\0'); at != std::string::npos; at = clean.find('\0', at)) {
    clean.replace(at, 1, kReplacement);
  }
  return clean;
}

std::string lines_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += clean_text(line) + "\n";
  return text;
}

std::string classnames_file(const std::string& label) {
  return label == "label" ? "classnames.txt" : "classnames_" + label.substr(label.find('_') + 1) + ".txt";
}

fs::path note_path(const fs::path& folder, std::uint64_t part) {
  return folder / fmt::format("shard_{:05}.part.json", part);
}

// The part as an earlier try packed it, where that is still what would be packed now.
bool read_note(const fs::path& folder, std::uint64_t part, const std::string& fingerprint, PackedPart& packed) {
  if (fingerprint.empty() || !fs::exists(note_path(folder, part))) return false;
  try {
    const Json note = read_json_file(note_path(folder, part));
    if (note.at("fingerprint").get<std::string>() != fingerprint) return false;
    packed = packed_part_from(note.at("packed"));
  } catch (const std::exception&) {
    return false;
  }
  packed.reused = true;
  std::error_code code;
  return packed.part == part && (packed.shard.count == 0 ||
                                 (fs::file_size(folder / packed.shard.file, code) == packed.shard.size_bytes && !code));
}

void count_in(PackedPart& packed, const PackedSample& sample) {
  const auto captions =
      static_cast<std::uint64_t>(std::ranges::count(sample.captions, '\n')) + (sample.captions.empty() ? 0U : 1U);
  packed.min_side = std::min({packed.min_side, sample.width, sample.height});
  packed.max_side = std::max({packed.max_side, sample.width, sample.height});
  packed.min_captions = std::min(packed.min_captions, captions);
  packed.max_captions = std::max(packed.max_captions, captions);
}

void add_sample(ShardWriter& writer, PackedPart& packed, const std::string& where, const PackedSample& sample) {
  try {
    writer.add(sample);
  } catch (const Error& problem) {
    throw Error(problem.kind(), fmt::format("{}: {}", where, problem.what()));
  }
  count_in(packed, sample);
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
          {"skipped", part.skipped.to_json()},
          {"warnings", part.warnings.to_json()},
          {"broken", repaired_utf8(part.broken)},
          {"reused", part.reused}};
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
  part.skipped = Tallies::from_json(json.at("skipped"));
  part.warnings = Tallies::from_json(json.at("warnings"));
  part.broken = json.at("broken").get<std::string>();
  part.reused = json.at("reused").get<bool>();
  return part;
}

PackReport report_of(const std::vector<PackedPart>& parts) {
  PackReport report;
  for (const PackedPart& part : parts) {
    report.skipped.merge(part.skipped);
    report.warnings.merge(part.warnings);
    if (!part.broken.empty()) report.broken.push_back(part.broken);
    report.reused += part.reused ? 1 : 0;
  }
  return report;
}

std::string recipe_of(const PackSource& source) {
  if (!source.fingerprint) return "";
  std::uint64_t hash = 0;
  for (std::uint64_t part = 0; part < source.parts; ++part) {
    const std::string text = source.fingerprint(part);
    hash = xxh64(std::as_bytes(std::span(text)), hash);
  }
  return hex64(hash);
}

void prepare_set_folder(const fs::path& folder) {
  if (fs::exists(folder / "dataset.json")) {
    throw input_error("{} already holds a packed set: give another output folder or remove it", folder.native());
  }
  std::error_code code;
  fs::create_directories(folder, code);
  if (code) throw storage_error("cannot create the folder {}: {}", folder.native(), code.message());
}

PackedPart pack_part(const PackSource& source, std::uint64_t part, const fs::path& folder) {
  PackedPart packed;
  const std::string fingerprint = source.fingerprint ? source.fingerprint(part) : "";
  if (read_note(folder, part, fingerprint, packed)) return packed;
  packed = {};
  packed.part = part;
  packed.min_side = std::numeric_limits<std::uint32_t>::max();
  packed.min_captions = std::numeric_limits<std::uint64_t>::max();
  forget_part(folder, part);
  PackReportPiece report(folder, part);
  ShardWriter writer(folder / fmt::format("shard_{:05}.h5", part), source.info.encoding, source.info.channels);
  PackSink sink;
  sink.warn = [&](const std::string& where, const std::string& what) {
    packed.warnings.add(what, where);
    report.line("warned", where, what);
  };
  sink.skip = [&](const std::string& where, const std::string& reason) {
    packed.skipped.add(reason, where);
    report.line("skipped", where, reason);
  };
  sink.add = [&](const std::string& where, const PackedSample& sample) {
    if (is_utf8(sample.captions) && sample.captions.find('\0') == std::string::npos) {
      return add_sample(writer, packed, where, sample);
    }
    PackedSample clean = sample;
    clean.captions = clean_text(sample.captions);
    add_sample(writer, packed, where, clean);
    sink.warn(where, "the caption is not UTF-8, or holds NUL: such bytes are replaced by U+FFFD");
  };
  try {
    source.read_part(part, sink);
  } catch (const Error& problem) {
    if (problem.kind() != ErrorKind::storage) throw;
    packed.broken = problem.what();
    report.line("broken", fmt::format("part {}", part), packed.broken);
  }
  packed.label_names = writer.label_names();
  if (writer.count() > 0) packed.shard = writer.finish();
  report.finish();
  if (!fingerprint.empty() && packed.broken.empty()) {
    write_json_file(note_path(folder, part), {{"fingerprint", fingerprint}, {"packed", to_json(packed)}});
  }
  return packed;
}

void forget_part(const fs::path& folder, std::uint64_t part) {
  std::error_code ignored;
  fs::remove(note_path(folder, part), ignored);
}

void forget_all_parts(const PackSource& source, const fs::path& folder) {
  for (std::uint64_t part = 0; part < source.parts; ++part) {
    forget_part(folder, part);
    remove_report_piece(folder, part);
  }
}

DatasetInfo finish_set(const PackSource& source, std::vector<PackedPart> parts, const fs::path& folder) {
  std::ranges::sort(parts, {}, &PackedPart::part);
  std::vector<std::uint64_t> reported;
  for (const PackedPart& part : parts) {
    if (part.skipped.total() + part.warnings.total() > 0 || !part.broken.empty()) reported.push_back(part.part);
  }
  join_pack_report(folder, reported);
  std::erase_if(parts, [](const PackedPart& part) { return part.shard.count == 0; });
  if (parts.empty()) {
    throw input_error("no sample to pack into {}: check the input; {} there says what is wrong with each",
                      folder.native(), kPackReportName);
  }
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
  std::size_t unclean = 0;
  for (const auto& [label, names] : source.classnames) {
    unclean += static_cast<std::size_t>(
        std::ranges::count_if(names, [](const std::string& name) { return clean_text(name) != name; }));
  }
  if (unclean > 0) {
    log_warn("{}: {} class names are not UTF-8, or hold NUL: such bytes are replaced by U+FFFD", folder.native(),
             unclean);
  }
  for (const auto& [label, names] : source.classnames) {
    write_file_atomic(folder / classnames_file(label), lines_of(names));
  }
  if (!source.templates.empty()) {
    write_file_atomic(folder / "zeroshot_classification_templates.txt", lines_of(source.templates));
  }
  info.recipe = recipe_of(source);
  write_dataset_json(folder, info);
  forget_all_parts(source, folder);
  return info;
}

}  // namespace clip_hpc
