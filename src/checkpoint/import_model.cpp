#include "clip_hpc/checkpoint/import_model.hpp"

#include <torch/headeronly/version.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/checkpoint/formats/format.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/checkpoint/training_state.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/text/clip_bpe.hpp"
#include "clip_hpc/text/lower_case.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

std::filesystem::path tokenizer_of(const OpenClipModel& source, const ImportRequest& request) {
  const fs::path file = request.tokenizer.empty() ? source.tokenizer_file : request.tokenizer;
  if (file.empty()) {
    throw input_error(
        "{} brings no tokenizer that can be read: give --tokenizer: clip for CLIP's own {} pieces or a SentencePiece "
        "file",
        request.input.native(), 49408);
  }
  if (!fs::exists(file)) throw input_error("{} does not exist: check --tokenizer", file.native());
  return file;
}

// As the run folder keeps it. What lies in an exported folder lowers case as its tokenizer.json does.
std::string tokenizer_bytes(const fs::path& file, const OpenClipModel& source, const ImportRequest& request) {
  const bool is_own = file == source.tokenizer_file;
  std::string bytes = given_tokenizer(file, request.lower_case || (is_own && source.lower_case.value_or(false)));
  const std::string clean = stated_clean(source.config);
  const bool is_clip = ClipBpe::is_merges(bytes);
  if (clean == kCanonicalise && !is_clip) {
    log_info("{}: captions are cleaned as SigLIP's are: lower case, punctuation left out", request.input.native());
    if (stated_cleaning(bytes) != Cleaning::canonical) bytes = with_cleaning(bytes, Cleaning::canonical);
  } else if (!clean.empty() && clean != "whitespace" && clean != (is_clip ? "lower" : "")) {
    log_info("warning: {}: its tokenizer_kwargs.clean = {} is not done to captions{}", request.input.native(), clean,
             clean == "lower" ? ": --lower-case does it to ASCII letters" : "");
  }
  return bytes;
}

// Training would not leave it there.
void tell_unusual_scale(const ClipModel& model, const std::string& where) {
  const ParameterSpec& spec = model.arena().specs()[model.logit_scale_index()];
  const double value = model.logit_scale().item<double>();
  if (value >= spec.limits->low - 1e-6 && value <= spec.limits->high + 1e-6) return;
  log_info("warning: {}: {} = {} lies outside {} to {:.4f}, where training keeps it; it is imported as it is", where,
           spec.name, value, spec.limits->low, spec.limits->high);
}

struct Read {
  std::unique_ptr<ClipModel> model;
  std::string tokenizer;  // bytes
};

Read read_model(const ImportRequest& request, at::ScalarType type, const at::Device& device) {
  const OpenClipModel source = read_model_weights(request.input, request.config);
  const fs::path file = tokenizer_of(source, request);
  Read read{nullptr, tokenizer_bytes(file, source, request)};
  const Tokenizer tokenizer = Tokenizer::parse(read.tokenizer, file);
  read.model = std::make_unique<ClipModel>(model_for(source.config, tokenizer), type, device);
  const std::int64_t end = ClipModel(source.config).text().end_token(), own = read.model->text().end_token();
  if (source.states_eos && end != own) {
    throw input_error("{}: the model's end token is {}, the tokenizer's {}: give the tokenizer it was trained with",
                      request.input.native(), end, own);
  }
  if (!source.states_eos && end != own) {
    log_info("{} states no eos_id: the tokenizer's is taken, {}", source.config.name, own);
  }
  set_weights(*read.model, source.weights, request.input.native());
  return read;
}

}  // namespace

void import_model(World& world, const ImportRequest& request) {
  const fs::path output = without_slash(request.output);
  if (fs::exists(output)) throw input_error("{} exists: remove it, or give another --output", output.native());
  const auto [declared, bytes] = read_model(request, at::kFloat, at::kCPU);
  ClipModel& model = *declared;
  const ModelConfig& config = model.config();
  tell_unusual_scale(model, request.input.native());
  Updater updater(model.arena(), {});

  world.barrier();  // all ranks have seen that the folder is not there
  const RunFolder folder{output};
  const std::vector<std::string> hosts = world.gather_strings(world.host_name());
  if (world.rank() == 0) {
    folder.create();
    write_file_atomic(tokenizer_file(folder), bytes);
    append_provenance(folder.provenance_file(), {.program_version = program_version(),
                                                 .git_commit = git_commit(),
                                                 .versions = {{"LibTorch", TORCH_VERSION}},
                                                 .hosts = hosts,
                                                 .world_size = world.size(),
                                                 .start_time = utc_now(),
                                                 .command_line = request.command_line,
                                                 .config_hash = kImported,
                                                 .cost = {},
                                                 .branch_of = {}});
  }
  world.barrier();
  save_checkpoint(world, folder.checkpoint_path(0), content_of({model, updater}, {}, {{"config_hash", kImported}}));
  log_info("{}: {}, {:.1f} M parameters, from {}; images are tested as its preprocessing says, --view {}",
           output.native(), config.name, static_cast<double>(model.arena().declared_numel()) / 1e6,
           request.input.native(), config.view);
}

LoadedModel load_other_model(const ImportRequest& request, const std::string& precision, const at::Device& device) {
  auto [model, bytes] = read_model(request, scalar_type_of(precision), device);
  LoadedModel loaded;
  loaded.model = std::move(model);
  loaded.tokenizer = std::make_unique<Tokenizer>(Tokenizer::parse(bytes, request.input));
  return loaded;
}

}  // namespace clip_hpc
