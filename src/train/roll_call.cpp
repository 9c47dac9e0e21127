#include "clip_hpc/train/roll_call.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <exception>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/run/provenance.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::size_t kMostNamed = 8;

std::map<int, Whereabouts> read_words(const fs::path& folder) {
  std::map<int, Whereabouts> words;
  std::error_code problem;
  for (fs::directory_iterator entry(folder, problem), end; !problem && entry != end; entry.increment(problem)) {
    const std::string name = entry->path().filename().native();
    int rank = 0;
    const auto [rest, code] = std::from_chars(name.data(), name.data() + name.size(), rank);
    if (code != std::errc() || rest != name.data() + name.size()) continue;
    try {
      const Json word = Json::parse(read_text_file(entry->path()));
      words[rank] = {word.at("waits").get<bool>(), word.at("operation").get<std::int64_t>(),
                     word.at("name").get<std::string>()};
    } catch (const std::exception&) {
      words[rank] = {true, 0, "?"};  // it has answered, whatever it wrote
    }
  }
  return words;
}

std::vector<std::string> hosts_of(const RunFolder& folder, int size) {
  try {
    const std::vector<Provenance> starts = read_provenance(folder.provenance_file());
    if (!starts.empty() && std::ssize(starts.back().hosts) == size) return starts.back().hosts;
  } catch (const std::exception&) {  // this is about ranks; that the file is missing is told elsewhere
  }
  return {};
}

std::string first_of(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kMostNamed);
  const std::string more = names.size() > shown ? fmt::format(" and {} more", names.size() - shown) : "";
  return fmt::format("{}{}", fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "), more);
}

}  // namespace

Whereabouts whereabouts(const InFlight& in_flight, bool waits) {
  return {waits, in_flight.started.load(), in_flight.last.load()};
}

RollCall roll_call(const World& world, const RunFolder& folder, double timeout_s) {
  return {folder, world.rank(), world.size(), std::min(timeout_s / 5, 30.0) + 1};
}

void leave_word(const RollCall& call, const Whereabouts& mine) {
  try {
    fs::create_directories(call.folder.roll_call_dir());
    write_file_atomic(call.folder.roll_call_dir() / std::to_string(call.rank),
                      Json{{"waits", mine.waits}, {"operation", mine.operation}, {"name", mine.name}}.dump());
  } catch (const std::exception&) {  // the run ends anyway, and its reason is told
  }
}

std::optional<std::string> call_the_roll(const RollCall& call, const Whereabouts& mine) {
  using namespace std::chrono_literals;
  leave_word(call, mine);
  std::this_thread::sleep_for(std::chrono::duration<double>(call.patience_s));
  std::map<int, Whereabouts> words = read_words(call.folder.roll_call_dir());
  words.emplace(call.rank, mine);
  const fs::path told = call.folder.roll_call_dir() / "told";
  std::error_code none;
  if (words.begin()->first != call.rank) {
    for (const Timer since; since.seconds() < call.patience_s;) {
      if (fs::exists(told, none)) return std::nullopt;
      std::this_thread::sleep_for(100ms);
    }
  }
  try {
    write_file_atomic(told, "");
  } catch (const std::exception&) {  // then others tell it too
  }
  return told_by(words, call.size, hosts_of(call.folder, call.size));
}

std::string told_by(const std::map<int, Whereabouts>& words, int size, std::span<const std::string> hosts) {
  const auto named = [&](int rank) {
    return hosts.empty() ? fmt::format("rank {}", rank)
                         : fmt::format("rank {} on {}", rank, hosts[static_cast<std::size_t>(rank)]);
  };
  std::vector<std::string> missing, lines;
  std::map<std::pair<std::int64_t, std::string>, std::vector<std::string>> waiting;
  for (int rank = 0; rank < size; ++rank) {
    const auto word = words.find(rank);
    if (word == words.end()) {
      missing.push_back(named(rank));
    } else if (word->second.waits) {
      waiting[{word->second.operation, word->second.name}].push_back(named(rank));
    } else {
      lines.push_back(fmt::format("{} waits for nobody: its last was {} (operation {})", named(rank), word->second.name,
                                  word->second.operation));
    }
  }
  const bool all_answered = missing.empty() && lines.empty();
  if (!missing.empty()) {
    lines.insert(lines.begin(),
                 fmt::format("{} left no word: suspended, dead, or without the run folder", first_of(missing)));
  }
  for (const auto& [place, ranks] : waiting) {
    lines.push_back(fmt::format("{} in {} (operation {}): {}",
                                ranks.size() == 1 ? "1 rank waits" : fmt::format("{} ranks wait", ranks.size()),
                                place.second, place.first, first_of(ranks)));
  }
  if (all_answered && waiting.size() == 1) lines.push_back("all of them are there: the network between them fails");
  if (lines.size() > kMostNamed) {
    const std::size_t more = lines.size() - kMostNamed;
    lines.resize(kMostNamed);
    lines.push_back(fmt::format("and {} more lines of this kind", more));
  }
  return fmt::format("{}", fmt::join(lines, "\n  "));
}

void clear_roll_call(const RunFolder& folder) {
  std::error_code none;
  fs::remove_all(folder.roll_call_dir(), none);
}

}  // namespace clip_hpc
