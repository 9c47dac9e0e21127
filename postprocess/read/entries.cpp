#include "postprocess/read/entries.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/ini_file.hpp"

namespace clip_hpc {
namespace {

std::string value_or(const Config& config, const char* key, const std::string& otherwise) {
  const auto found = config.find(key);
  return found == config.end() ? otherwise : found->second;
}

void fill(Entry& entry, std::vector<std::string>& broken) {
  entry.tracks = tracks_of(entry.run != nullptr ? entry.run->results : entry.cell->results);
  if (entry.run != nullptr && !entry.run->config.empty()) {
    try {
      entry.config = read_config(entry.run->config);
    } catch (const Error& problem) {
      broken.push_back(fmt::format("{}: {}", entry.run->folder.config_file().native(), problem.what()));
    }
  }
  if (entry.cell != nullptr) {
    entry.tower = entry.cell->tower;
    entry.strategy = entry.cell->strategy;
  } else {
    entry.tower = std::filesystem::path(value_or(entry.config, "model.config", "")).stem();
    entry.strategy = value_or(entry.config, "strategy.name", "");
  }
}

}  // namespace

double Entry::samples_seen() const {
  if (run != nullptr && !run->metrics.empty()) return static_cast<double>(run->metrics.back().samples_seen);
  return cell == nullptr ? kNoNumber : cell->samples_seen;
}

double Entry::measured_hours() const {
  if (run == nullptr || run->metrics.empty()) return cell == nullptr ? 0 : cell->measured_hours;
  const double ranks = run->starts.empty() ? 1 : static_cast<double>(run->starts.back().world_size);
  return training_time_s(run->metrics) * ranks / 3600;
}

Config read_config(const std::string& text) {
  Config config;
  try {
    for (const IniLine& line : parse_ini(text, "config.cfg")) {
      if (line.key.empty()) continue;
      std::string& value = config[line.section.empty() ? line.key : line.section + "." + line.key];
      value += (value.empty() ? "" : "\n") + line.value;
    }
  } catch (const Error& problem) {
    throw storage_error("is no configuration: {}", problem.what());
  }
  return config;
}

std::vector<Entry> entries_of(const std::vector<RunRecord>& runs, const StudyView& study,
                              std::vector<std::string>& broken) {
  std::map<std::filesystem::path, const RunRecord*> by_folder;
  for (const RunRecord& run : runs) by_folder[run.folder.path] = &run;
  std::vector<Entry> entries;
  for (const StudyCell& cell : study.cells) {
    Entry entry{
        .name = cell.name, .cell = &cell, .run = nullptr, .config = {}, .tower = {}, .strategy = {}, .tracks = {}};
    std::error_code none;
    if (const auto found = by_folder.find(std::filesystem::weakly_canonical(cell.run, none));
        found != by_folder.end()) {
      entry.run = found->second;
      by_folder.erase(found);
    }
    entries.push_back(std::move(entry));
  }
  for (const RunRecord& run : runs) {
    if (!by_folder.contains(run.folder.path)) continue;
    entries.push_back(
        {.name = run.name, .cell = nullptr, .run = &run, .config = {}, .tower = {}, .strategy = {}, .tracks = {}});
  }
  for (Entry& entry : entries) fill(entry, broken);
  return entries;
}

std::vector<Measure> measures_of(std::span<const Entry> entries, std::size_t most) {
  std::vector<std::vector<Track>> tracks;
  for (const Entry& entry : entries) tracks.push_back(entry.tracks);
  return common_measures(tracks, most);
}

std::vector<RunRecord> drawn_runs(const std::vector<RunRecord>& runs, std::span<const Entry> entries) {
  if (runs.size() <= kFewRuns) return runs;
  const std::vector<Measure> measures = measures_of(entries, 1);
  const auto value = [&](const Entry& entry) {
    const double found = measures.empty() ? kNoNumber : newest_value(entry.tracks, measures.front());
    return std::isfinite(found) ? found : -1;
  };
  std::vector<const Entry*> order;
  for (const Entry& entry : entries) {
    if (entry.run != nullptr && !entry.run->metrics.empty()) order.push_back(&entry);
  }
  std::ranges::stable_sort(order, std::greater{}, [&](const Entry* entry) { return value(*entry); });
  std::set<std::string> series;
  std::vector<const Entry*> chosen, others;
  for (const Entry* entry : order) (series.insert(entry->series()).second ? chosen : others).push_back(entry);
  chosen.insert(chosen.end(), others.begin(), others.end());
  std::vector<RunRecord> drawn;
  for (const Entry* entry : chosen) {
    if (drawn.size() < kDrawnRuns) drawn.push_back(*entry->run);
  }
  return drawn;
}

bool knows_gpus(std::span<const Entry> entries) {
  return std::ranges::any_of(entries, [](const Entry& entry) {
    return entry.run != nullptr &&
           std::ranges::any_of(entry.run->metrics, [](const MetricsLine& line) { return line.device_bytes > 0; });
  });
}

const char* hours_word(std::span<const Entry> entries) { return knows_gpus(entries) ? "GPU hours" : "rank hours"; }

}  // namespace clip_hpc
