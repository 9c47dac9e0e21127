#include <cstdio>
#include <iostream>
#include <limits>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/text/lower_case.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kTokenizeUsage =
    R"(clip_hpc tokenize: token ids of the lines of standard input, one line a line, with the end token

With --context N they are what a model of that context gets: cut so that the end token is the last, and padded with the
end token, or for clip with 0.

Examples:
  clip_hpc tokenize --tokenizer runs/quickstart/letters < captions.txt > ids.txt
  clip_hpc tokenize --tokenizer data/packed/glyphs/train --context 16 < captions.txt > ids.txt
  clip_hpc tokenize --tokenizer clip --context 77 < captions.txt > ids.txt
)";

}  // namespace

int command_tokenize(std::span<const std::string> arguments) {
  std::string name;
  std::int64_t context = 0;
  bool lower_case = false;
  ArgumentTable table;
  table.add("tokenizer", name, "SentencePiece model, packed set, run folder, or clip: CLIP's own byte pairs");
  table.add("context", context, "ids a line; 0: as many as it has",
            in_range(std::int64_t{0}, std::int64_t{std::numeric_limits<int>::max()}));
  table.add("lower-case", lower_case, "put the lines into lower case for a SentencePiece model of another program");
  if (!read_arguments(table, arguments, kTokenizeUsage, true)) return kExitDone;
  if (name.empty()) throw input_error("clip_hpc tokenize needs --tokenizer");
  const std::filesystem::path file = tokenizer_path(name);
  const Tokenizer tokenizer = Tokenizer::parse(given_tokenizer(file, lower_case), file);
  std::string line;
  while (std::getline(std::cin, line)) {
    if (line.ends_with('\r')) line.pop_back();
    const std::vector<std::int32_t> ids =
        context > 0 ? tokenizer.encode(line, static_cast<int>(context)) : tokenizer.tokens(line);
    fmt::print("{}\n", fmt::join(ids, " "));
  }
  if (std::fflush(stdout) != 0) throw storage_error("cannot write the ids: is the disk full?");
  return kExitDone;
}

}  // namespace clip_hpc
