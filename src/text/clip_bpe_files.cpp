#include "clip_hpc/text/clip_bpe_files.hpp"

#include <algorithm>
#include <vector>

#include "clip_hpc/text/clip_bpe.hpp"

namespace clip_hpc {
namespace {

constexpr const char *kStartPiece = "<|startoftext|>", *kEndPiece = "<|endoftext|>";

// The merges that count, "left right" each.
std::vector<std::string_view> merge_lines(std::string_view merges) {
  std::vector<std::string_view> lines;
  std::size_t place = merges.find('\n');
  while (place != std::string_view::npos && lines.size() < ClipBpe::kMerges) {
    const std::size_t begin = place + 1;
    place = merges.find('\n', begin);
    std::string_view line = merges.substr(begin, place == std::string_view::npos ? place : place - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) break;
    lines.push_back(line);
  }
  return lines;
}

}  // namespace

std::string clip_merges_file(std::string_view merges) {
  std::string text = "#version: 0.2\n";
  for (const std::string_view line : merge_lines(merges)) text.append(line).append("\n");
  return text;
}

Json clip_vocabulary_file(std::string_view merges) {
  std::vector<std::string> pieces = ClipBpe::byte_symbols();
  const std::size_t bytes = pieces.size();
  for (std::size_t i = 0; i < bytes; ++i) pieces.push_back(pieces[i] + "</w>");
  for (const std::string_view line : merge_lines(merges)) {
    std::string joined(line);
    std::erase(joined, ' ');
    pieces.push_back(std::move(joined));
  }
  pieces.emplace_back(kStartPiece);
  pieces.emplace_back(kEndPiece);
  Json vocabulary = Json::object();
  for (std::size_t id = 0; id < pieces.size(); ++id) vocabulary[pieces[id]] = id;
  return vocabulary;
}

Json clip_tokenizer_config(std::int64_t context) {
  return {{"tokenizer_class", "CLIPTokenizer"},
          {"bos_token", kStartPiece},
          {"eos_token", kEndPiece},
          {"unk_token", kEndPiece},
          {"pad_token", kEndPiece},
          {"model_max_length", context},
          {"do_lower_case", true}};
}

}  // namespace clip_hpc
