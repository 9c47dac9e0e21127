#include "commands/packing/pack_set.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/data/packed/pack.hpp"
#include "clip_hpc/data/packed/twins.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTwinWarning = "has a uid that an earlier sample has: it got another";

// Parts go round the ranks; all ranks hear of all parts.
std::vector<PackedPart> pack_parts(World& world, const PackSource& source, const fs::path& folder) {
  Json mine = Json::array();
  together(world, [&] {
    for (auto part = static_cast<std::uint64_t>(world.rank()); part < source.parts;
         part += static_cast<std::uint64_t>(world.size())) {
      mine.push_back(to_json(pack_part(source, part, folder)));
    }
  });
  std::vector<PackedPart> parts;
  for (const std::string& text : world.all_gather_strings(mine.dump())) {
    for (const Json& json : Json::parse(text)) parts.push_back(packed_part_from(json));
  }
  std::ranges::sort(parts, {}, &PackedPart::part);
  return parts;
}

// Samples that share a uid with an earlier one get another. Returns how many there were.
std::uint64_t part_twins(World& world, std::vector<PackedPart>& parts, const fs::path& folder) {
  std::vector<ShardInfo> shards;
  std::vector<std::size_t> part_of;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].shard.count == 0) continue;
    shards.push_back(parts[i].shard);
    part_of.push_back(i);
  }
  std::string mine;
  together(world, [&] { mine = twins_to_text(find_twins(folder, shards, world.rank(), world.size())); });
  std::map<std::uint64_t, std::vector<Twin>> by_shard;
  std::uint64_t count = 0;
  for (const std::string& text : world.all_gather_strings(mine)) {
    for (const Twin& twin : twins_from_text(text)) {
      by_shard[twin.shard].push_back(twin);
      count += 1;
    }
  }
  Json changed = Json::array();
  together(world, [&] {
    for (const auto& [shard, twins] : by_shard) {
      if (shard % static_cast<std::uint64_t>(world.size()) != static_cast<std::uint64_t>(world.rank())) continue;
      PackedPart& part = parts[part_of[shard]];
      forget_part(folder, part.part);
      part.shard = rename_twins(folder, part.shard, part.label_names, twins);
      changed.push_back({shard, part.shard.xxh64});
    }
  });
  for (const std::string& text : world.all_gather_strings(changed.dump())) {
    for (const Json& one : Json::parse(text)) {
      parts[part_of[one.at(0).get<std::size_t>()]].shard.xxh64 = one.at(1).get<std::string>();
    }
  }
  return count;
}

// What there is to say about the parts, by rank 0.
void say_report(const PackReport& report, const fs::path& folder) {
  for (const std::string& line : report.broken) log_warn("broken: {}", line);
  if (report.warnings.total() > 0) {
    log_warn("{} warnings about the input:\n{}", report.warnings.total(), fmt::join(report.warnings.lines(), "\n"));
  }
  if (report.skipped.total() > 0) {
    log_warn("{} samples skipped, each listed in {}:\n{}", report.skipped.total(), (folder / kPackReportName).native(),
             fmt::join(report.skipped.lines(), "\n"));
  }
}

// Whether an earlier try of this very command made the set.
bool is_packed(const fs::path& folder, const PackSource& source) {
  if (!fs::exists(folder / "dataset.json")) return false;
  const std::string recipe = recipe_of(source);
  return !recipe.empty() && read_dataset_json(folder).recipe == recipe;
}

}  // namespace

std::string pack_set(World& world, const PackSource& source, const fs::path& folder, const PackHow& how,
                     const fs::path& unfinished) {
  const Timer timer;
  together(world, [&] {
    if (world.rank() != 0) return;
    prepare_set_folder(folder);
    write_file_atomic(unfinished, "");
  });
  std::vector<PackedPart> parts = pack_parts(world, source, folder);
  PackReport report = report_of(parts);
  const bool refused = (!report.broken.empty() && !how.keep_going) || (how.strict && report.warnings.total() > 0);
  if (!refused) {
    const std::uint64_t twins = part_twins(world, parts, folder);
    if (twins > 0) report.warnings.add(kTwinWarning, folder.native(), twins);
  }
  together(world, [&] {
    if (world.rank() != 0) return;
    say_report(report, folder);
    if (!report.broken.empty() && !how.keep_going) {
      throw storage_error(
          "{} of {} parts are broken, and {} is no set yet: {}. Then repeat the command: it packs these parts alone. "
          "Or "
          "give --keep-going, which packs what can be read",
          report.broken.size(), source.parts, folder.native(), report.broken.front());
    }
    if (!report.broken.empty() &&
        std::ranges::all_of(parts, [](const PackedPart& part) { return part.shard.count == 0; })) {
      throw storage_error("nothing could be read: {}", report.broken.front());
    }
    if (how.strict && report.warnings.total() > 0) {
      throw storage_error("{} warnings, and --strict: {} is no set; mend the input, or leave --strict out",
                          report.warnings.total(), folder.native());
    }
    const DatasetInfo info = finish_set(source, parts, folder);
    log_info("{}: {} samples in {} shards, {:.0f} samples/s{}{}", folder.native(), info.count, info.shards.size(),
             static_cast<double>(info.count) / timer.seconds(),
             report.skipped.total() > 0 ? fmt::format(", {} skipped", report.skipped.total()) : "",
             report.reused > 0 ? fmt::format(", {} parts of an earlier try", report.reused) : "");
  });
  if (report.broken.empty()) return "";
  return fmt::format("{} holds what could be read: {} of {} parts are broken: {}. Then remove the set and pack again",
                     folder.native(), report.broken.size(), source.parts, report.broken.front());
}

std::vector<bool> sets_packed_before(World& world, const OpenedSource& opened, const fs::path& output,
                                     const fs::path& tokenizer) {
  std::vector<bool> done(opened.sets.size());
  std::string text;
  together(world, [&] {
    if (world.rank() != 0) return;
    bool complete = (tokenizer.empty() || fs::exists(tokenizer)) && !fs::exists(output / kUnfinishedPack);
    for (const SourceSet& set : opened.sets) {
      const bool packed = is_packed(output / set.folder, set.source);
      text += packed ? '1' : '0';
      complete = complete && packed;
    }
    if (complete) text.assign(opened.sets.size(), '0');
  });
  const std::string said = world.all_gather_strings(text).front();
  for (std::size_t i = 0; i < done.size(); ++i) done[i] = said[i] == '1';
  return done;
}

}  // namespace clip_hpc
