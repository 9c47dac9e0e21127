#include "clip_hpc/eval/features.hpp"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::uint64_t kFeaturesVersion = 1;

at::ScalarType compute_type(const EvalContext& context) { return context.model.arena().parameter(0).scalar_type(); }

// Everything that the features depend on but the pictures themselves.
std::string encoder_key(const EvalContext& context) {
  const ParameterArena& arena = context.model.arena();
  std::uint64_t weights = 0;
  for (std::size_t i = 0; i < arena.specs().size(); ++i) {
    weights = xxh64(bytes_of(arena.master_view(i).cpu().contiguous()), weights);
  }
  const std::string text =
      fmt::format("{} {} {} {} {}", kFeaturesVersion, hex64(weights), to_json(context.model.config()).dump(),
                  context.view, compute_type(context) == at::kBFloat16 ? "bf16" : "fp32");
  return hex64(xxh64(std::as_bytes(std::span(text))));
}

void write_features(const fs::path& path, const at::Tensor& features) {
  std::error_code ignored;
  fs::create_directories(path.parent_path(), ignored);
  const UnfinishedFile beside(path);  // two programs may be at it
  const fs::path& part = beside.path();
  const auto rows = static_cast<std::uint64_t>(features.size(0)), width = static_cast<std::uint64_t>(features.size(1));
  Hid file = create_hdf5(part);
  write_dataset(file, "features", H5T_IEEE_F32LE, rows, width, features.const_data_ptr(), part);
  write_attribute(file, "schema_version", kFeaturesVersion, part);
  write_attribute(file, "count", rows, part);
  write_attribute(file, "width", width, part);
  write_attribute(file, "kind", std::string(name_of(FeatureKind::pooled)), part);
  write_attribute(file, "features_xxh64", xxh64(bytes_of(features)), part);
  if (!file.close()) throw storage_error("cannot write {}: is the disk full or the quota reached?", part.native());
  sync_path(part);
  rename_synced(part, path);
}

// Throws storage for anything that is not whole.
at::Tensor read_features(const fs::path& path, std::uint64_t count, std::int64_t width) {
  const Hid file = open_hdf5(path);
  const FileRegion region = region_of(file, "features", sizeof(float), path);
  at::Tensor features = at::empty({static_cast<std::int64_t>(count), width}, at::kFloat);
  if (read_attribute_u64(file, "schema_version", path) != kFeaturesVersion || region.size_bytes != features.nbytes()) {
    throw storage_error("{} holds other features than its name says", path.native());
  }
  const FileDescriptor bytes = FileDescriptor::open_read(path);
  pread_all(bytes.get(), mutable_bytes_of(features), region.offset_bytes, path.native());
  if (xxh64(bytes_of(features)) != read_attribute_u64(file, "features_xxh64", path)) {
    throw storage_error("{} does not match its checksum", path.native());
  }
  return features;
}

// Rank 0 reads and tells the others; nothing on all ranks where there is no whole file.
std::optional<at::Tensor> read_on_rank_0(const EvalContext& context, const PackedSet& set, const fs::path& path) {
  const std::int64_t width = context.model.image().width();
  at::Tensor features;
  at::Tensor found = at::zeros({1}, at::kLong);
  std::error_code ignored;
  if (context.comm.rank() == 0 && fs::exists(path, ignored)) {
    try {
      features = read_features(path, set.count(), width);
      found.fill_(1);
    } catch (const Error& problem) {
      log_warn("{}; the features are computed again", problem.what());
    }
  }
  context.comm.broadcast(found);
  if (found.item<std::int64_t>() == 0) return std::nullopt;
  if (context.comm.rank() != 0) features = at::empty({static_cast<std::int64_t>(set.count()), width}, at::kFloat);
  context.comm.broadcast(features);
  return features;
}

at::Tensor project(const EvalContext& context, const at::Tensor& pooled) {
  return encode_blocks(
      context.comm, pooled.size(0), context.model.config().embed_dim, [&](std::int64_t begin, std::int64_t end) {
        return normalise_features(
            context.model.project_image(pooled.slice(0, begin, end).to(context.model.device(), compute_type(context))));
      });
}

}  // namespace

void FeatureMemo::forget(const PackedSet& set) {
  for (const FeatureKind kind : {FeatureKind::pooled, FeatureKind::projected}) {
    images.erase({set.folder().string(), kind});
  }
}

const char* name_of(FeatureKind kind) { return kind == FeatureKind::pooled ? "pooled" : "projected"; }

at::Tensor encode_blocks(Communicator& comm, std::int64_t rows, std::int64_t width,
                         const std::function<at::Tensor(std::int64_t, std::int64_t)>& encode) {
  const at::NoGradGuard no_grad;
  at::Tensor all = at::zeros({rows, width}, at::kFloat);
  together(comm, [&] {
    for (std::int64_t block = comm.rank(); block * kEvalBlock < rows; block += comm.size()) {
      const std::int64_t begin = block * kEvalBlock;
      const std::int64_t end = std::min(rows, begin + kEvalBlock);
      all.slice(0, begin, end).copy_(encode(begin, end));
    }
  });
  comm.all_reduce(all, ReduceOp::sum);  // the other ranks' rows are zero, so the sum is exact
  return all;
}

void write_view(const ImageView& image, const ViewSpec& view, const at::Tensor& into) {
  RandomStream unused(0, Purpose::augment, 0);
  apply_view(image, view, unused, std::span(into.data_ptr<std::uint8_t>(), view.bytes()));
}

at::Tensor image_pixels(const PackedSet& set, const ViewSpec& view, std::int64_t begin, std::int64_t end,
                        std::vector<std::int64_t>* broken) {
  const at::Tensor pixels = at::zeros({end - begin, 3, view.size, view.size}, at::kByte);
  std::mutex guard;
  // Pictures of a block are decoded by all threads: one alone feeds no GPU.
  at::parallel_for(begin, end, 1, [&](std::int64_t from, std::int64_t to) {
    RawSample raw;
    for (std::int64_t i = from; i < to; ++i) {
      try {
        set.read_into(static_cast<std::uint64_t>(i), raw);
        const Image image = set.is_raw()
                                ? image_from_raw(std::move(raw.image), raw.width, raw.height, set.info().channels)
                                : decode_stored(raw.image);
        write_view(image, view, pixels.select(0, i - begin));
      } catch (const Error& problem) {
        if (broken == nullptr) {
          throw Error(problem.kind(),
                      fmt::format("{}: picture {} cannot be used: {}", set.folder().native(), i, problem.what()));
        }
        const std::scoped_lock lock(guard);
        broken->push_back(i);
      }
    }
  });
  return pixels;
}

at::Tensor image_features(const EvalContext& context, const PackedSet& set, FeatureKind kind) {
  const ModelConfig& config = context.model.config();
  const ViewSpec view = parse_view(context.view, static_cast<int>(context.model.image().image_size()));
  return encode_blocks(context.comm, static_cast<std::int64_t>(set.count()),
                       kind == FeatureKind::pooled ? context.model.image().width() : config.embed_dim,
                       [&](std::int64_t begin, std::int64_t end) {
                         const at::Tensor pixels = image_pixels(set, view, begin, end).to(context.model.device());
                         const at::Tensor x = normalise_pixels(pixels, config.norm, compute_type(context));
                         if (kind == FeatureKind::pooled) return context.model.pooled_image(x);
                         return normalise_features(context.model.encode_image(x));
                       });
}

bool all_finite(const at::Tensor& features) { return features.isfinite().all().item<bool>(); }

void require_finite(const EvalContext& context, const PackedSet& set, bool finite) {
  together(context.comm, [&] {
    if (finite) return;
    throw input_error("{}: features are not finite: the model diverged; evaluate an older checkpoint",
                      set.folder().native());
  });
}

fs::path feature_file(const EvalContext& context, const PackedSet& set) {
  return context.feature_folder / fmt::format("features_{}_{}.h5", encoder_key(context), set.checksum());
}

at::Tensor kept_image_features(const EvalContext& context, const PackedSet& set, FeatureKind kind) {
  if (context.feature_folder.empty()) return image_features(context, set, kind);
  const fs::path path = feature_file(context, set);
  std::optional<at::Tensor> pooled = read_on_rank_0(context, set, path);
  if (!pooled) {
    pooled = image_features(context, set, FeatureKind::pooled);
    if (context.comm.rank() == 0) {
      try {
        write_features(path, *pooled);
      } catch (const Error& problem) {
        log_warn("{}; the features are not kept", problem.what());
      }
    }
  }
  return kind == FeatureKind::pooled ? *pooled : project(context, *pooled);
}

at::Tensor shared_image_features(const EvalContext& context, const PackedSet& set, FeatureKind kind) {
  if (context.memo == nullptr) return kept_image_features(context, set, kind);
  at::Tensor& pooled = context.memo->images[{set.folder().string(), FeatureKind::pooled}];
  if (!pooled.defined()) pooled = kept_image_features(context, set, FeatureKind::pooled);
  if (kind == FeatureKind::pooled) return pooled;
  at::Tensor& projected = context.memo->images[{set.folder().string(), kind}];
  if (!projected.defined()) projected = project(context, pooled);
  return projected;
}

}  // namespace clip_hpc
