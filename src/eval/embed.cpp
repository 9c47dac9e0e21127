#include "clip_hpc/eval/embed.hpp"

#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <span>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/caption_ids.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::uint64_t kEmbeddingsVersion = 1;

// Calls work(begin, end) for the blocks of `rows` that are this rank's.
void each_block(const World& world, std::int64_t rows, const std::function<void(std::int64_t, std::int64_t)>& work) {
  for (std::int64_t block = world.rank(); block * kEvalBlock < rows; block += world.size()) {
    work(block * kEvalBlock, std::min(rows, (block + 1) * kEvalBlock));
  }
}

// Where the captions of every image begin among all captions: [images + 1].
std::vector<std::int64_t> caption_starts(World& world, Communicator& comm, const PackedSet& set) {
  std::vector<double> counts(set.count(), 0.0);  // exact: far below 2^53
  together(comm, [&] {
    each_block(world, static_cast<std::int64_t>(counts.size()), [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        counts[i] = static_cast<double>(split_captions(set.captions(i)).size());
      }
    });
  });
  world.all_reduce_sum(counts);
  std::vector<std::int64_t> starts(counts.size() + 1, 0);
  std::transform(counts.begin(), counts.end(), starts.begin(), starts.begin() + 1,
                 [](double count, std::int64_t before) { return before + static_cast<std::int64_t>(count); });
  return starts;
}

// Texts [begin, end) of all.
std::vector<std::string> texts_of(const EmbedSource& source, const std::vector<std::int64_t>& starts,
                                  std::int64_t begin, std::int64_t end) {
  if (!source.set) return {source.texts.begin() + begin, source.texts.begin() + end};
  std::vector<std::string> texts;
  auto image = std::ranges::upper_bound(starts, begin) - starts.begin() - 1;
  for (std::int64_t row = begin; row < end; ++image) {
    const std::vector<std::string> captions = split_captions(source.set->captions(static_cast<std::uint64_t>(image)));
    const std::int64_t first = starts[static_cast<std::size_t>(image)];
    for (; row < end && row - first < static_cast<std::int64_t>(captions.size()); ++row) {
      texts.push_back(captions[static_cast<std::size_t>(row - first)]);
    }
  }
  return texts;
}

at::Tensor pixels_of_files(std::span<const fs::path> files, const ViewSpec& view) {
  const auto rows = static_cast<std::int64_t>(files.size());
  const at::Tensor pixels = at::empty({rows, 3, view.size, view.size}, at::kByte);
  for (std::int64_t i = 0; i < rows; ++i) {
    const fs::path& file = files[static_cast<std::size_t>(i)];
    const std::string bytes = read_text_file(file);
    try {
      write_view(decode_stored({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}), view,
                 pixels.select(0, i));
    } catch (const Error& problem) {
      throw storage_error("{}: {}", file.native(), problem.what());
    }
  }
  return pixels;
}

struct Region {  // of one dataset
  std::uint64_t offset_bytes = 0, row_bytes = 0;
  explicit operator bool() const { return row_bytes > 0; }
};

struct Layout {
  Region inputs, image, text, ids;
};

Layout lay_out(const EvalContext& context, const EmbedParts& parts, const EmbedCounts& counts,
               const std::vector<std::int64_t>& starts, const std::string& set_checksum, const Json& about,
               const fs::path& path) {
  const ModelConfig& config = context.model.config();
  const auto n = static_cast<std::uint64_t>(counts.images), m = static_cast<std::uint64_t>(counts.texts);
  const auto size = static_cast<std::uint64_t>(context.model.image().image_size());
  const auto dim = static_cast<std::uint64_t>(config.embed_dim);
  const auto width = static_cast<std::uint64_t>(context.model.text().context());
  Hid file = create_hdf5(path);
  const auto add = [&](bool wanted, const char* name, hid_t type, const std::vector<std::uint64_t>& shape) {
    if (!wanted) return Region{};
    const std::uint64_t row = std::accumulate(shape.begin() + 1, shape.end(), H5Tget_size(type), std::multiplies<>());
    return Region{lay_out_dataset(file, name, type, shape, path), row};
  };
  Layout layout;
  layout.inputs = add(parts.inputs, "inputs", H5T_IEEE_F32LE, {n, 3, size, size});
  layout.image = add(parts.image, "image", H5T_IEEE_F32LE, {n, dim});
  layout.text = add(parts.text, "text", H5T_IEEE_F32LE, {m, dim});
  layout.ids = add(parts.ids, "ids", H5T_STD_I64LE, {m, width});
  if (!starts.empty() && (parts.text || parts.ids)) {
    std::vector<std::int64_t> image_of;
    for (std::size_t i = 0; i + 1 < starts.size(); ++i) {
      image_of.insert(image_of.end(), static_cast<std::size_t>(starts[i + 1] - starts[i]),
                      static_cast<std::int64_t>(i));
    }
    write_dataset(file, "image_of", H5T_STD_I64LE, m, 0, image_of.data(), path);
  }
  write_attribute(file, "schema_version", kEmbeddingsVersion, path);
  if (!set_checksum.empty()) write_attribute(file, "set_checksum", set_checksum, path);
  write_attribute(file, "logit_scale", fmt::format("{:.9g}", context.model.logit_scale().item<double>()), path);
  for (const auto& [name, value] : about.items()) {
    if (value.is_number()) {
      write_attribute(file, name.c_str(), value.get<std::uint64_t>(), path);
    } else {
      write_attribute(file, name.c_str(), value.get<std::string>(), path);
    }
  }
  if (!file.close()) throw storage_error("cannot write {}: is the disk full or the quota reached?", path.native());
  return layout;
}

// Rank 0's layout on all ranks.
Layout share_layout(World& world, const Layout& layout) {
  Json json = Json::array();
  for (const Region& region : {layout.inputs, layout.image, layout.text, layout.ids}) {
    json.push_back(region.offset_bytes);
    json.push_back(region.row_bytes);
  }
  const auto all = Json::parse(world.broadcast(json.dump())).get<std::vector<std::uint64_t>>();
  return {{all[0], all[1]}, {all[2], all[3]}, {all[4], all[5]}, {all[6], all[7]}};
}

void write_rows(int fd, const Region& region, std::int64_t first, const at::Tensor& rows, const fs::path& path) {
  if (!region) return;
  const at::Tensor values = rows.contiguous();
  pwrite_all(fd, bytes_of(values), region.offset_bytes + static_cast<std::uint64_t>(first) * region.row_bytes,
             path.native());
}

}  // namespace

EmbedParts parse_embed_parts(const std::string& words, const EmbedSource& source) {
  const bool has_images = source.set || !source.images.empty(), has_texts = source.set || !source.texts.empty();
  EmbedParts parts;
  if (words.empty()) return {false, has_images, has_texts, has_texts};
  for (const std::string_view word : split_text(words, ',')) {
    const bool of_images = word == "inputs" || word == "image";
    if (word == "inputs")
      parts.inputs = true;
    else if (word == "image")
      parts.image = true;
    else if (word == "text")
      parts.text = true;
    else if (word == "ids")
      parts.ids = true;
    else
      throw input_error("--write knows inputs, image, text and ids, joined by commas; got \"{}\"", word);
    if (of_images ? !has_images : !has_texts) {
      throw input_error("--write {}: no {} was given: name --data or --{}", word, of_images ? "image" : "text",
                        of_images ? "images" : "texts");
    }
  }
  return parts;
}

EmbedCounts embed(World& world, const EvalContext& context, const EmbedSource& source, const EmbedParts& parts,
                  const Json& about, const fs::path& output) {
  const at::NoGradGuard no_grad;
  const ModelConfig& config = context.model.config();
  const at::ScalarType compute = context.model.arena().parameter(0).scalar_type();
  const ViewSpec view = parse_view(context.view, static_cast<int>(context.model.image().image_size()));
  const fs::path part = output.native() + ".part";
  std::vector<std::int64_t> starts;
  if (source.set) starts = caption_starts(world, context.comm, *source.set);
  const EmbedCounts counts = source.set ? EmbedCounts{static_cast<std::int64_t>(source.set->count()), starts.back()}
                                        : EmbedCounts{static_cast<std::int64_t>(source.images.size()),
                                                      static_cast<std::int64_t>(source.texts.size())};

  Layout layout;
  together(context.comm, [&] {
    if (world.rank() == 0)
      layout = lay_out(context, parts, counts, starts, source.set ? source.set->checksum() : "", about, part);
  });
  layout = share_layout(world, layout);
  try {
    together(context.comm, [&] {
      const FileDescriptor file = FileDescriptor::open_write(part);
      if (layout.inputs || layout.image) {
        each_block(world, counts.images, [&](std::int64_t begin, std::int64_t end) {
          const at::Tensor pixels = source.set ? image_pixels(*source.set, view, begin, end)
                                               : pixels_of_files(std::span(source.images)
                                                                     .subspan(static_cast<std::size_t>(begin),
                                                                              static_cast<std::size_t>(end - begin)),
                                                                 view);
          const at::Tensor x = normalise_pixels(pixels, config.norm, at::kFloat);  // [rows, 3, size, size]
          write_rows(file.get(), layout.inputs, begin, x, part);
          if (layout.image) {
            const at::Tensor given = compute == at::kFloat ? x : normalise_pixels(pixels, config.norm, compute);
            write_rows(file.get(), layout.image, begin, normalise_features(context.model.encode_image(given)), part);
          }
        });
      }
      if (layout.text || layout.ids) {
        each_block(world, counts.texts, [&](std::int64_t begin, std::int64_t end) {
          const std::vector<std::string> texts = texts_of(source, starts, begin, end);
          const TokenBatch batch =
              context.tokenizer.encode_batch(texts, static_cast<int>(context.model.text().context()));
          const at::Tensor ids = at::tensor(batch.ids, at::kLong).view({end - begin, context.model.text().context()});
          write_rows(file.get(), layout.ids, begin, ids, part);
          if (layout.text) {
            const at::Tensor trimmed = trimmed_ids(batch.ids, batch.lengths, context.model.text());
            write_rows(file.get(), layout.text, begin, normalise_features(context.model.encode_text(trimmed)), part);
          }
        });
      }
      if (::fsync(file.get()) != 0) throw storage_error("cannot sync {}: the disk may be full", part.native());
    });
    together(context.comm, [&] {
      if (world.rank() == 0) rename_synced(part, output);
    });
  } catch (const Error&) {
    std::error_code ignored;
    if (world.rank() == 0) fs::remove(part, ignored);
    throw;
  }
  return counts;
}

}  // namespace clip_hpc
