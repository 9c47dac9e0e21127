#include "clip_hpc/checkpoint/import_model.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kImportUsage =
    R"(clip_hpc import: a model of open_clip or transformers as a run folder, for eval, embed and export

--input is a folder of either project, or a file.safetensors with --config. Weights are kept in fp32. The
model's tokenizer is a SentencePiece model, or CLIP's own byte pairs (49408 pieces): --tokenizer clip. eval, embed, score
and export then resize images as the model's own preprocess_cfg says.

Examples:
  clip_hpc import --input exported/letters --output runs/imported
  clip_hpc import --input openai/ViT-B-32 --tokenizer clip --output runs/openai
  clip_hpc import --input vit_s.safetensors --config configs/models/ViT-S-16-paper.json --tokenizer t5.model \
    --output runs/imported
)";

}  // namespace

int command_import(World& world, std::span<const std::string> arguments) {
  std::string input, config, tokenizer, output;
  bool lower_case = false;
  ArgumentTable table;
  table.add("input", input, "folder of open_clip or transformers, or a safetensors file");
  table.add("config", config, "model JSON; a folder has its own");
  table.add("tokenizer", tokenizer, "SentencePiece model, or clip; default: tokenizer.model of the folder");
  table.add("lower-case", lower_case,
            "put captions into lower case for the tokenizer; default: only where the folder's tokenizer does");
  table.add("output", output, "run folder, which must not exist");
  if (!read_arguments(table, arguments, kImportUsage, world.rank() == 0)) return kExitDone;
  if (input.empty() || output.empty()) throw input_error("clip_hpc import needs --input and --output");
  import_model(world, {.input = input,
                       .config = config,
                       .tokenizer = tokenizer.empty() ? "" : tokenizer_path(tokenizer),
                       .lower_case = lower_case,
                       .output = output,
                       .command_line = {arguments.begin(), arguments.end()}});
  return kExitDone;
}

}  // namespace clip_hpc
