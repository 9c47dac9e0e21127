#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/checkpoint/formats/format.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/config/rows.hpp"
#include "clip_hpc/eval/open_model.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kExportUsage =
    R"(clip_hpc export: a trained model as a folder that open_clip, or with --to hugging_face transformers, loads

  model = open_clip.create_model("local-dir:exported/letters")
  tokenizer = open_clip.get_tokenizer("local-dir:exported/letters")   # needs transformers

Weights are fp32. tokenizer.json gives open_clip the token ids of this program for every text that open_clip's own
cleaning (ftfy, HTML entities, spaces) leaves as it is. Without transformers, feed it the ids that
clip_hpc's embed or tokenize give. preprocess_cfg says the model's own view, or --view, so that open_clip's transform
gives the same pixels.

Examples:
  clip_hpc export --model runs/quickstart/letters --output exported/letters
  clip_hpc export --model runs/quickstart/letters --view eval --to hugging_face --output exported/letters_hf
)";

}  // namespace

int command_export(World& world, std::span<const std::string> arguments) {
  ModelSource source;
  std::string output, format = weight_formats().front().name;
  const std::vector<WeightFormat> formats = written_formats();
  ArgumentTable table;
  add_model_arguments(table, source);
  add_view_argument(table, source);
  table.add("output", output, "folder, which must not exist");
  table.add("to", format, help_of(std::span<const WeightFormat>(formats)),
            one_of(names_of(std::span<const WeightFormat>(formats))));
  if (!read_arguments(table, arguments, kExportUsage, world.rank() == 0)) return kExitDone;
  if (source.model.empty() || output.empty()) throw input_error("clip_hpc export needs --model and --output");
  if (world.rank() != 0) return kExitDone;  // one rank writes it
  const LoadedModel loaded = load_model(source.model, "fp32", at::kCPU, source.weights);
  ModelConfig config = loaded.model->config();
  config.view = test_view(config, source.view);
  const std::string problem =
      weight_format(format).write(output, {config, named_weights(*loaded.model), tokenizer_file(loaded.folder)});
  log_info("{}: {} of step {}{}, view {}", without_slash(output).native(), config.name, loaded.progress.step,
           loaded.averaged ? ", averaged weights" : "", config.view);
  if (!problem.empty()) log_warn("{}: open_clip has to be fed the ids of clip_hpc tokenize", problem);
  return kExitDone;
}

}  // namespace clip_hpc
