#include "clip_hpc/eval/embed.hpp"

#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/eval/eval_options.hpp"
#include "clip_hpc/eval/open_model.hpp"
#include "commands/read_arguments.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kEmbedUsage =
    R"(clip_hpc embed: features of images and texts as an HDF5 file, on all ranks

Datasets, for n images and m texts: image f32[n, dim] and text f32[m, dim], of unit length; ids i64[m, context], the
tokens that the text tower was given; inputs f32[n, 3, size, size], the pixels that the image tower was given. Of a
packed set also image_of i64[m]: the image that a caption belongs to. docs/embed.md reads it in Python.

Examples:
  mpirun -np 2 clip_hpc embed --model runs/quickstart/letters --data data/packed/glyphs/test_letters --output features.h5
  clip_hpc embed --model runs/quickstart/letters --images a.png b.jpg --texts captions.txt --write inputs,image,text \
    --output features.h5
)";

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) throw input_error("{} does not exist: check --texts", file.native());
  std::vector<std::string> lines = split_lines(read_text_file(file));
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
  ModelSource source{.precision = "fp32", .device = "cpu"};
  std::string data, texts, parts, output;
  std::vector<std::string> images;
  ArgumentTable table;
  add_model_arguments(table, source);
  add_other_weights_arguments(table, source);
  table.add("data", data, "packed set");
  table.add("images", images, "JPEG, PNG or WebP files");
  table.add("texts", texts, "file with one text a line");
  table.add("write", parts, "of inputs, image, text, ids, joined by commas; default: all but inputs");
  add_view_argument(table, source);
  add_precision_argument(table, source);
  table.add("output", output, "HDF5 file, which must not exist");
  if (!read_arguments(table, arguments, kEmbedUsage, world.rank() == 0)) return kExitDone;
  if (source.model.empty() || output.empty()) throw input_error("clip_hpc embed needs --model and --output");
  if (std::filesystem::exists(output)) throw input_error("{} exists: remove it, or give another --output", output);
  const EmbedSource embedded = source_of(data, images, texts);
  const EmbedParts wanted = parse_embed_parts(parts, embedded);
  const OpenedModel opened = open_model(world, source);
  const EmbedCounts counts = embed(world, opened.context(), embedded, wanted, opened.about(), output);
  log_info("{}: {} images, {} texts", output, counts.images, counts.texts);
  return kExitDone;
}

}  // namespace clip_hpc
