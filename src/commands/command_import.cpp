#include "clip_hpc/checkpoint/import_model.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "commands/read_arguments.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage =
    R"(clip_hpc import: a model of open_clip as a run folder, for eval, embed and export

--input is a folder as clip_hpc export writes it, or a file.safetensors with --config. Weights are kept in fp32. The
model's tokenizer is a SentencePiece model, or CLIP's own byte pairs (49408 pieces): --tokenizer clip.

Examples:
  clip_hpc import --input exported/letters --output runs/imported
  clip_hpc import --input openai/ViT-B-32 --tokenizer clip --output runs/openai
  clip_hpc import --input vit_s.safetensors --config configs/models/ViT-S-16-paper.json --tokenizer t5.model \
    --output runs/imported
)";

}  // namespace

int command_import(World& world, std::span<const std::string> arguments) {
  ImportRequest request;
  std::string input, config, tokenizer, output;
  po::options_description words("Options");
  words.add_options()("input", po::value(&input), "open_clip folder, or a safetensors file")(
      "config", po::value(&config), "model JSON; a folder has its own")(
      "tokenizer", po::value(&tokenizer), "SentencePiece model, or clip; default: tokenizer.model of the folder")(
      "output", po::value(&output), "run folder, which must not exist");
  if (!read_words(arguments, words, kUsage, world.rank() == 0)) return kExitDone;
  if (input.empty() || output.empty()) throw input_error("clip_hpc import needs --input and --output");
  import_open_clip(world, {input,
                           config,
                           tokenizer.empty() ? "" : tokenizer_path(tokenizer),
                           output,
                           {arguments.begin(), arguments.end()}});
  return kExitDone;
}

}  // namespace clip_hpc
