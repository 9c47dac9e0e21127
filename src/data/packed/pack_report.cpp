#include "clip_hpc/data/packed/pack_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kKinds = 32;
constexpr const char* kOtherKinds = "other reasons";

// One line that every program can read: names come from outside and may hold anything.
std::string printable(const std::string& text) {
  std::string clean = repaired_utf8(text);
  std::ranges::replace_if(
      clean, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  return clean;
}

// Numbers are what two texts of one kind differ in.
std::string kind_of(const std::string& text) {
  std::string kind;
  bool in_number = false;
  for (const char c : printable(text)) {
    const bool digit = c >= '0' && c <= '9';
    if (digit && !in_number) kind += 'N';
    if (!digit) kind += c;
    in_number = digit;
  }
  return kind;
}

fs::path piece_path(const fs::path& folder, std::uint64_t part) {
  return folder / fmt::format("pack_report_{:05}.part", part);
}

}  // namespace

void Tallies::add(const std::string& text, const std::string& where, std::uint64_t count) {
  std::string kind = kind_of(text);
  if (kinds_.size() >= kKinds && !kinds_.contains(kind)) kind = kOtherKinds;
  Tally& tally = kinds_[kind];
  if (tally.count == 0) tally.first = printable(where);
  tally.count += count;
}

void Tallies::merge(const Tallies& later) {
  for (const auto& [kind, tally] : later.kinds_) add(kind, tally.first, tally.count);
}

std::uint64_t Tallies::total() const {
  std::uint64_t total = 0;
  for (const auto& entry : kinds_) total += entry.second.count;
  return total;
}

std::vector<std::string> Tallies::lines() const {
  std::vector<std::pair<std::string, Tally>> ordered(kinds_.begin(), kinds_.end());
  std::ranges::stable_sort(ordered, std::greater{}, [](const auto& entry) { return entry.second.count; });
  std::vector<std::string> lines;
  for (const auto& [kind, tally] : ordered) {
    lines.push_back(fmt::format("{:>6} x {} (first: {})", tally.count, kind, tally.first));
  }
  return lines;
}

Json Tallies::to_json() const {
  Json json = Json::array();
  for (const auto& [kind, tally] : kinds_) json.push_back({kind, tally.count, tally.first});
  return json;
}

Tallies Tallies::from_json(const Json& json) {
  Tallies tallies;
  for (const Json& entry : json) {
    tallies.add(entry.at(0).get<std::string>(), entry.at(2).get<std::string>(), entry.at(1).get<std::uint64_t>());
  }
  return tallies;
}

PackReportPiece::PackReportPiece(const fs::path& folder, std::uint64_t part) : path_(piece_path(folder, part)) {
  remove_report_piece(folder, part);
}

void PackReportPiece::line(const char* kind, const std::string& where, const std::string& text) {
  if (!file_.is_open()) file_.open(path_, std::ios::binary | std::ios::trunc);
  file_ << kind << '\t' << printable(where) << '\t' << printable(text) << '\n';
}

void PackReportPiece::finish() {
  if (!file_.is_open()) return;
  file_.close();
  if (!file_) throw storage_error("cannot write {}: is the disk full or the quota reached?", path_.native());
}

void join_pack_report(const fs::path& folder, std::span<const std::uint64_t> parts) {
  const fs::path whole = folder / kPackReportName, beside = whole.native() + ".tmp";
  std::error_code ignored;
  fs::remove(whole, ignored);
  std::ofstream file;
  for (const std::uint64_t part : parts) {
    std::ifstream piece(piece_path(folder, part), std::ios::binary);
    if (!piece) continue;
    if (!file.is_open()) file.open(beside, std::ios::binary | std::ios::trunc);
    file << piece.rdbuf();
  }
  if (!file.is_open()) return;
  file.close();
  if (!file) throw storage_error("cannot write {}: is the disk full or the quota reached?", beside.native());
  sync_path(beside);
  rename_synced(beside, whole);
}

void remove_report_piece(const fs::path& folder, std::uint64_t part) {
  std::error_code ignored;
  fs::remove(piece_path(folder, part), ignored);
}

}  // namespace clip_hpc
