#include "clip_hpc/eval/embed.hpp"

#include <ATen/Parallel.h>

#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/train/session.hpp"
#include "commands/read_arguments.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage =
    R"(clip_hpc embed: features of images and texts as an HDF5 file, on all ranks

Datasets, for n images and m texts: image f32[n, dim] and text f32[m, dim], of unit length; ids i64[m, context], the
tokens that the text tower was given; inputs f32[n, 3, size, size], the pixels that the image tower was given. Of a
packed set also image_of i64[m]: the image that a caption belongs to. docs/embed.md reads it in Python.

Examples:
  mpirun -np 2 clip_hpc embed --model runs/quickstart/letters --data packed/glyphs/test_letters --output features.h5
  clip_hpc embed --model runs/quickstart/letters --images a.png b.jpg --texts captions.txt --write inputs,image,text \
    --output features.h5
)";

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) throw input_error("{} does not exist: check --texts", file.native());
  std::istringstream text(read_text_file(file));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) {
    if (line.ends_with('\r')) line.pop_back();
    lines.push_back(line);
  }
  if (lines.empty()) throw input_error("{} holds no line: one text a line is expected", file.native());
  return lines;
}

EmbedSource source_of(const std::string& data, const std::vector<std::string>& images, const std::string& texts) {
  if (data.empty() ? images.empty() && texts.empty() : !images.empty() || !texts.empty()) {
    throw input_error("clip_hpc embed needs --data, or --images and --texts or one of them");
  }
  EmbedSource source;
  if (!data.empty()) source.set.emplace(data);
  for (const std::string& image : images) {
    if (!std::filesystem::exists(image)) throw input_error("{} does not exist: check --images", image);
    source.images.emplace_back(image);
  }
  if (!texts.empty()) source.texts = lines_of(texts);
  return source;
}

}  // namespace

int command_embed(World& world, std::span<const std::string> arguments) {
  std::string path, data, texts, parts, output, view = "resize", precision = "fp32", weights = "auto";
  std::vector<std::string> images;
  po::options_description words("Options");
  words.add_options()("model", po::value(&path), "run folder (its newest complete checkpoint) or checkpoint folder")(
      "data", po::value(&data), "packed set")("images", po::value(&images)->multitoken(), "JPEG, PNG or WebP files")(
      "texts", po::value(&texts), "file with one text a line")(
      "write", po::value(&parts), "of inputs, image, text, ids, joined by commas; default: all but inputs")(
      "view", po::value(&view)->default_value(view),
      "how an image is resized: resize, eval, eval_longest, eval_squash")(
      "weights", po::value(&weights)->default_value(weights),
      "trained, ema (their average, of a run with optim.ema), or auto: the average where there is one")(
      "precision", po::value(&precision)->default_value(precision),
      "of the model: fp32, bf16, or auto: that of the run")("output", po::value(&output),
                                                            "HDF5 file, which must not exist");
  if (!read_words(arguments, words, kUsage, world.rank() == 0)) return kExitDone;
  if (path.empty() || output.empty()) throw input_error("clip_hpc embed needs --model and --output");
  one_of({"auto", "fp32", "bf16"})("--precision", precision);
  one_of({"auto", "trained", "ema"})("--weights", weights);
  one_of({"resize", "eval", "eval_longest", "eval_squash"})("--view", view);
  if (std::filesystem::exists(output)) throw input_error("{} exists: remove it, or give another --output", output);
  const EmbedSource source = source_of(data, images, texts);
  const EmbedParts wanted = parse_embed_parts(parts, source);
  at::set_num_threads(compute_threads(world, 0));
  keep_freed_memory();
  const LoadedModel loaded = load_model(path, precision, at::kCPU, weights);
  const auto comm = make_communicator(world, {});
  const EvalContext context{*comm, *loaded.model, *loaded.tokenizer, view};
  const Json about = {{"model", loaded.model->config().name},
                      {"step", loaded.progress.step},
                      {"view", view},
                      {"weights", loaded.averaged ? "ema" : "trained"},
                      {"precision", loaded.model->arena().parameter(0).scalar_type() == at::kFloat ? "fp32" : "bf16"}};
  const EmbedCounts counts = embed(world, context, source, wanted, about, output);
  log_info("{}: {} images, {} texts", output, counts.images, counts.texts);
  return kExitDone;
}

}  // namespace clip_hpc
