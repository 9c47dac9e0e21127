#include "clip_hpc/data/data_options.hpp"

#include <algorithm>
#include <charconv>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"

namespace clip_hpc {

void describe(OptionTable& table, DataOptions& options) {
  table.add(
      "data.train", options.train,
      "folder of a packed training set, PATH or PATH@weight (repeatable); weight: how often the set occurs in one "
      "epoch, a whole number",
      [](const std::string&, const std::vector<std::string>& paths) {
        for (const std::string& path : paths) parse_weighted_path(path);
      });
  table.add("data.subset", options.subset, "subset.h5 written by clip_hpc filter: train on these samples only");
  table.add("data.teacher", options.teacher,
            "a teacher's features of a training set, of clip_hpc embed --data SET --write image,text (one for each "
            "data.train, in their order); strategy.distill learns from them");
  table.add(
      "data.allow_repeats", options.allow_repeats,
      "train although there are fewer samples than train.global_batch: a pair then meets itself as a wrong answer");
  table.add("data.workers", options.workers, "loader threads of a rank", in_range(std::int64_t{1}, std::int64_t{256}));
  table.add("data.decode_size", options.decode_size,
            "decode JPEG only as large as its short side needs for this many pixels (faster); 0: full size",
            in_range(std::int64_t{0}, std::int64_t{16384}));
  table.add("data.loader_memory_mib", options.loader_memory_mib, "memory of a rank's batches that wait to be used",
            in_range(std::int64_t{1}, std::int64_t{1} << 20));
}

WeightedPath parse_weighted_path(const std::string& text) {
  const auto is_folder = [](const std::filesystem::path& path) {
    std::error_code ignored;
    return std::filesystem::is_directory(packed_path(path), ignored);
  };
  // A folder of this very name is meant: "laion@224".
  if (text.find('@') != std::string::npos && is_folder(text)) return {text, 1};
  const std::size_t at = text.rfind('@');
  const std::string_view digits = at == std::string::npos ? "" : std::string_view(text).substr(at + 1);
  const auto is_number_char = [](char c) { return (c >= '0' && c <= '9') || c == '.' || c == '-'; };
  WeightedPath parsed{text, 1};
  if (!digits.empty() && std::ranges::all_of(digits, is_number_char)) {
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), parsed.weight);
    if (code != std::errc{} || end != digits.data() + digits.size() || parsed.weight < 1 || parsed.weight > 1'000'000) {
      throw input_error("data.train {}: the weight after '@' must be a whole number from 1 to 1000000", text);
    }
    parsed.path = text.substr(0, at);
  }
  if (parsed.path.empty()) throw input_error("data.train \"{}\" names no folder: give PATH or PATH@weight", text);
  return parsed;
}

}  // namespace clip_hpc
