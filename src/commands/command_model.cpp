#include <cstdio>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/model/clip_model.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kUsage = R"(clip_hpc model FILE...: parameters and multiply-adds of models in open_clip's JSON

Examples:
  clip_hpc model configs/models/ViT-B-32.json
  clip_hpc model configs/models/*.json
)";

}  // namespace

int command_model(std::span<const std::string> arguments) {
  if (!arguments.empty() && (arguments.front() == "--help" || arguments.front() == "-h")) {
    std::fputs(kUsage, stdout);
    return kExitDone;
  }
  if (arguments.empty()) throw input_error("clip_hpc model needs a file, for example configs/models/ViT-B-32.json");
  fmt::print("{:<24} {:>10} {:>10} {:>10} {:>12}\n", "model", "image M", "text M", "tensors", "GMAC a pair");
  for (const std::string& file : arguments) {
    const ModelConfig config = read_model_config(file);
    const ClipModel model(config, at::kFloat);
    std::int64_t image = 0;
    for (const ParameterSpec& spec : model.arena().specs()) {
      if (spec.name.rfind("visual.", 0) == 0) image += spec.numel;
    }
    const double macs = forward_macs(config, config.vision.patches(), config.text.context_length);
    fmt::print("{:<24} {:>10.1f} {:>10.1f} {:>10} {:>12.2f}\n", config.name, static_cast<double>(image) / 1e6,
               static_cast<double>(model.arena().numel() - image) / 1e6, model.arena().specs().size(), macs / 1e9);
  }
  return kExitDone;
}

}  // namespace clip_hpc
