// What packing has to say about its input: counted by kind in memory, listed one by one in a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

inline constexpr const char* kPackReportName = "pack_report.tsv";

// How often something was met, and where first.
struct Tally {
  std::uint64_t count = 0;
  std::string first;
};

// By kind: texts that differ in their numbers alone are one kind. The number of kinds is bounded.
class Tallies {
 public:
  void add(const std::string& text, const std::string& where, std::uint64_t count = 1);
  void merge(const Tallies& later);
  std::uint64_t total() const;
  std::vector<std::string> lines() const;  // "N x text (first: where)", the most frequent first
  Json to_json() const;
  static Tallies from_json(const Json& json);

 private:
  std::map<std::string, Tally> kinds_;
};

// The list of one part, a line for each sample that was skipped or packed with a warning: kind, place, text, parted by
// tabs. Pieces of all parts are put together when the set is complete.
class PackReportPiece {
 public:
  PackReportPiece(const std::filesystem::path& folder, std::uint64_t part);  // removes what an earlier try left
  void line(const char* kind, const std::string& where, const std::string& text);
  void finish();  // throws storage

 private:
  std::filesystem::path path_;
  std::ofstream file_;
};

// Joins the pieces of these parts into pack_report.tsv. No piece: no file. The pieces stay until the set is complete: a
// later try that takes the parts joins them again.
void join_pack_report(const std::filesystem::path& folder, std::span<const std::uint64_t> parts);
void remove_report_piece(const std::filesystem::path& folder, std::uint64_t part);

}  // namespace clip_hpc
