#include "clip_hpc/checkpoint/checkpoint.hpp"

#include <unistd.h>

#include <algorithm>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "clip_hpc/comm/collectively.hpp"

namespace clip_hpc {
namespace {

constexpr int kSchemaVersion = 2;  // 1 is read, too
constexpr const char* kUnfinishedSuffix = ".tmp";
constexpr const char* kReplacedSuffix = ".replaced";
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kAverageFile = "ema.safetensors";

// `work` may fail on one rank: then all ranks throw what it says.
template <class Work>
void write_together(World& world, const Work& work) {
  together(world, [&] {
    try {
      work();
    } catch (const std::exception& problem) {
      const Error error = as_error(problem);
      throw Error(error.kind(), fmt::format("checkpoint not written: {}", error.what()));
    }
  });
}

std::span<std::byte> bytes_of(const at::Tensor& host) {
  return {static_cast<std::byte*>(host.mutable_data_ptr()), host.nbytes()};
}

// Weights that are spread over ranks: read back from the file to which all have written.
NamedTensors weights_in(const std::filesystem::path& state_file, const std::string& name,
                        const std::vector<ParameterSpec>& layout) {
  NamedTensors weights;
  for (const StateBuffer& buffer : open_state_file(state_file)) {
    if (buffer.name != name) continue;
    const at::Tensor all = at::empty({buffer.numel}, at::kFloat);
    pread_all(FileDescriptor::open_read(state_file).get(), bytes_of(all), buffer.offset_bytes, state_file.native());
    for (const ParameterSpec& spec : layout) {
      if (!spec.exported) continue;
      weights.emplace_back(spec.name, all.narrow(0, spec.offset, spec.numel).view(spec.shape));
    }
  }
  return weights;
}

struct Slice {  // of a buffer, as one rank wrote it
  std::int64_t begin = 0, count = 0;
  std::string xxh64;
};
struct WrittenBuffer {
  std::int64_t numel = 0;
  std::vector<Slice> slices;
};
using WrittenBuffers = std::map<std::string, WrittenBuffer>;

Slice slice_of(const Json& json, const std::string& sum) {
  return {json.at("begin").get<std::int64_t>(), json.at("count").get<std::int64_t>(), sum};
}

// There, all buffers are of one length, and a slice stands for the same elements of all of them.
WrittenBuffers buffers_of_schema_1(const Json& manifest) {
  WrittenBuffers buffers;
  for (const Json& slice : manifest.at("slices")) {
    for (const auto& [name, sum] : slice.at("xxh64").items()) {
      buffers[name].numel = manifest.at("numel").get<std::int64_t>();
      buffers[name].slices.push_back(slice_of(slice, sum.get<std::string>()));
    }
  }
  return buffers;
}

WrittenBuffers read_buffers(const std::filesystem::path& manifest_file) {
  const Json manifest = read_json_file(manifest_file);
  try {
    if (manifest.at("schema_version").get<int>() == 1) return buffers_of_schema_1(manifest);
    WrittenBuffers buffers;
    for (const auto& [name, json] : manifest.at("buffers").items()) {
      WrittenBuffer& buffer = buffers[name];
      buffer.numel = json.at("numel").get<std::int64_t>();
      for (const Json& slice : json.at("slices")) {
        buffer.slices.push_back(slice_of(slice, slice.at("xxh64").get<std::string>()));
      }
    }
    return buffers;
  } catch (const Json::exception& problem) {
    throw storage_error("{} is damaged: {}; resume from an older checkpoint", manifest_file.native(), problem.what());
  }
}

// This rank's slice of each buffer: its own part, or its share of what all have. By name: begin, count, xxh64.
Json write_slices(const World& world, const std::filesystem::path& state_file, const std::vector<NamedBuffer>& buffers,
                  const std::vector<StateBuffer>& places) {
  Json slices = Json::object();
  const FileDescriptor file = FileDescriptor::open_write(state_file);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    const NamedBuffer& buffer = buffers[i];
    const std::int64_t n = buffer.tensor.numel();
    const std::int64_t from = buffer.is_part() ? 0 : n * world.rank() / world.size();
    const std::int64_t count = buffer.is_part() ? n : n * (world.rank() + 1) / world.size() - from;
    const std::int64_t begin = buffer.first + from;
    const at::Tensor host = buffer.tensor.narrow(0, from, count).cpu();
    const auto bytes = bytes_of(host);
    pwrite_all(file.get(), bytes, places[i].offset_bytes + static_cast<std::uint64_t>(begin) * sizeof(float),
               state_file.native());
    slices[buffer.name] = {{"begin", begin}, {"count", count}, {"xxh64", hex64(xxh64(bytes))}};
  }
  if (::fsync(file.get()) != 0) throw storage_error("cannot sync {}", state_file.native());
  return slices;
}

// `slices`: of each rank, as write_slices returns them.
Json manifest_of(const std::filesystem::path& folder, const CheckpointContent& content,
                 const std::vector<std::string>& slices) {
  const bool averages = std::filesystem::exists(folder / kAverageFile);
  Json manifest = {{"schema_version", kSchemaVersion}, {"world_size", slices.size()}};
  manifest["files"] = Json::object();
  for (const char* name : {"state.h5", kWeightsFile, kAverageFile}) {
    if (name != kAverageFile || averages) manifest["files"][name] = std::filesystem::file_size(folder / name);
  }
  manifest["weights_xxh64"] = hex64(xxh64_of_file(folder / kWeightsFile));
  if (averages) manifest["ema_xxh64"] = hex64(xxh64_of_file(folder / kAverageFile));
  manifest["buffers"] = Json::object();
  for (const NamedBuffer& buffer : content.buffers) {
    manifest["buffers"][buffer.name] = {{"numel", buffer.length()}, {"slices", Json::array()}};
  }
  for (const std::string& text : slices) {
    const Json of_rank = Json::parse(text);
    for (const auto& [name, slice] : of_rank.items()) {
      manifest["buffers"][name]["slices"].push_back(slice);
    }
  }
  manifest["about"] = content.about;
  return manifest;
}

// The same step saved again: at every moment one of the two is whole under its name or beside it.
void put_in_place(const std::filesystem::path& beside, const std::filesystem::path& folder) {
  const std::filesystem::path before = folder.native() + kReplacedSuffix;
  std::filesystem::remove_all(before);
  if (std::filesystem::exists(folder)) rename_synced(folder, before);
  rename_synced(beside, folder);
  std::filesystem::remove_all(before);
}

// What this rank has of one buffer. `stored`: where it lies in the file.
void restore_buffer(const std::filesystem::path& folder, const FileDescriptor& file, const NamedBuffer& buffer,
                    const StateBuffer& stored, const WrittenBuffer& written) {
  const std::filesystem::path path = folder / "state.h5";
  const std::int64_t numel = buffer.length();
  if (stored.numel != numel) {
    throw storage_error("{}: {} has {} elements, the model {}: the checkpoint is of another model", path.native(),
                        buffer.name, stored.numel, numel);
  }
  const auto not_covered = [&] {
    return storage_error("{}: its slices do not cover {}: the file is damaged; resume from an older checkpoint",
                         (folder / "manifest.json").native(), buffer.name);
  };
  if (written.numel != numel) throw not_covered();
  std::int64_t checked = 0;  // slices lie end to end, so that no element goes unchecked
  for (const Slice& slice : written.slices) {
    if (slice.begin != checked || slice.count < 0 || slice.count > numel - checked) throw not_covered();
    checked += slice.count;
    const std::int64_t begin = std::max(slice.begin, buffer.first);
    const std::int64_t end = std::min(slice.begin + slice.count, buffer.first + buffer.tensor.numel());
    if (begin >= end) continue;  // another rank's
    const at::Tensor host = at::empty({slice.count}, at::kFloat);
    pread_all(file.get(), bytes_of(host), stored.offset_bytes + static_cast<std::uint64_t>(slice.begin) * sizeof(float),
              path.native());
    if (hex64(xxh64(bytes_of(host))) != slice.xxh64) {
      throw storage_error(
          "{}: checksum of {} does not match at element {}: the file is damaged; resume from an older checkpoint",
          path.native(), buffer.name, slice.begin);
    }
    buffer.tensor.narrow(0, begin - buffer.first, end - begin).copy_(host.narrow(0, begin - slice.begin, end - begin));
  }
  if (checked != numel) throw not_covered();
}

}  // namespace

void describe(OptionTable& table, CheckpointOptions& options) {
  table.add("checkpoint.every_steps", options.every_steps, "checkpoint every so many steps; 0: not by steps",
            at_least(0));
  table.add("checkpoint.every_minutes", options.every_minutes, "checkpoint every so many minutes; 0: not by time",
            in_range(0.0, 1e6));
  table.add("checkpoint.keep", options.keep, "newest checkpoints that are kept", at_least(1));
  table.add("checkpoint.keep_every", options.keep_every, "checkpoints at multiples of so many steps are never deleted",
            at_least(0));
}

void save_checkpoint(World& world, const std::filesystem::path& folder, const CheckpointContent& content) {
  const std::filesystem::path beside = folder.native() + kUnfinishedSuffix;
  const std::filesystem::path state_file = beside / "state.h5";

  // 1. Rank 0 lays the file out and tells where the buffers lie.
  std::vector<StateBuffer> places;
  for (const NamedBuffer& buffer : content.buffers) places.push_back({buffer.name, 0, buffer.length()});
  write_together(world, [&] {
    if (world.rank() != 0) return;
    std::filesystem::remove_all(beside);
    std::filesystem::create_directories(beside);
    places = create_state_file(state_file, places);
  });
  Json offsets = Json::array();
  for (const StateBuffer& place : places) offsets.push_back(place.offset_bytes);
  offsets = Json::parse(world.broadcast(offsets.dump()));
  for (std::size_t i = 0; i < places.size(); ++i) places[i].offset_bytes = offsets[i].get<std::uint64_t>();

  // 2. Every rank writes its slice of every buffer.
  Json mine;
  write_together(world, [&] { mine = write_slices(world, state_file, content.buffers, places); });
  const std::vector<std::string> slices = world.gather_strings(mine.dump());

  // 3. Rank 0 adds the weights and the manifest, which makes the checkpoint exist.
  write_together(world, [&] {
    if (world.rank() != 0) return;
    const auto exported = [&](const std::string& buffer) {
      NamedTensors weights = weights_in(state_file, buffer, content.layout);
      weights.insert(weights.end(), content.model_buffers.begin(), content.model_buffers.end());
      return weights;
    };
    write_safetensors(beside / kWeightsFile, content.weights.empty() ? exported("master") : content.weights,
                      {{"format", "pt"}});
    if (std::ranges::find(content.buffers, "ema", &NamedBuffer::name) != content.buffers.end()) {
      write_safetensors(beside / kAverageFile, exported("ema"), {{"format", "pt"}});
    }
    write_json_file(beside / "manifest.json", manifest_of(beside, content, slices));
    sync_path(beside);
    put_in_place(beside, folder);
  });
}

CheckpointInfo inspect_checkpoint(const std::filesystem::path& folder) {
  try {
    const Json manifest = read_json_file(folder / "manifest.json");
    const int version = manifest.at("schema_version").get<int>();
    if (version < 1 || version > kSchemaVersion) {
      return {{}, fmt::format("its schema version {} is not one that this program knows", version)};
    }
    for (const auto& [name, size] : manifest.at("files").items()) {
      std::error_code missing;
      const auto found = std::filesystem::file_size(folder / name, missing);
      if (missing || found != size.get<std::uintmax_t>()) return {{}, name + " is missing or truncated"};
    }
    return {manifest.at("about"), ""};
  } catch (const std::exception& problem) {
    return {{}, problem.what()};
  }
}

Json restore_checkpoint(const std::filesystem::path& folder, const std::vector<NamedBuffer>& buffers) {
  const CheckpointInfo info = inspect_checkpoint(folder);
  if (!info.about) throw storage_error("{} is not a complete checkpoint: {}", folder.native(), info.problem);
  const std::filesystem::path path = folder / "state.h5";
  WrittenBuffers written = read_buffers(folder / "manifest.json");
  const std::vector<StateBuffer> stored = open_state_file(path);
  const FileDescriptor file = FileDescriptor::open_read(path);
  for (const NamedBuffer& buffer : buffers) {
    const auto at = std::ranges::find(stored, buffer.name, &StateBuffer::name);
    if (at == stored.end()) throw storage_error("{} holds no buffer \"{}\"", path.native(), buffer.name);
    restore_buffer(folder, file, buffer, *at, written[buffer.name]);
  }
  return *info.about;
}

bool keeps_average(const std::filesystem::path& checkpoint) {
  return read_json_file(checkpoint / "manifest.json").contains("ema_xxh64");
}

NamedTensors read_checkpoint_weights(const std::filesystem::path& folder, bool averaged) {
  const Json manifest = read_json_file(folder / "manifest.json");
  const std::filesystem::path file = folder / (averaged ? kAverageFile : kWeightsFile);
  const char* const sum = averaged ? "ema_xxh64" : "weights_xxh64";
  if (manifest.contains(sum) && manifest[sum] != hex64(xxh64_of_file(file))) {
    throw storage_error("{}: its checksum does not match the manifest: the file is damaged; use another checkpoint",
                        file.native());
  }
  return read_safetensors(file);
}

void clear_killed_saves(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) found.push_back(entry.path());
  for (const std::filesystem::path& path : found) {
    if (!path.filename().native().starts_with("step_")) continue;  // not ours
    if (path.extension() == kUnfinishedSuffix) std::filesystem::remove_all(path);
    if (path.extension() != kReplacedSuffix) continue;
    const std::filesystem::path plain = std::filesystem::path(path).replace_extension();
    if (std::filesystem::exists(plain)) {
      std::filesystem::remove_all(path);
    } else {
      rename_synced(path, plain);
    }
  }
}

std::vector<std::int64_t> expired_checkpoints(std::vector<std::int64_t> steps, const CheckpointOptions& options) {
  std::sort(steps.begin(), steps.end());
  std::vector<std::int64_t> expired;
  const auto newest = std::min(steps.size(), static_cast<std::size_t>(options.keep));
  for (std::size_t i = 0; i + newest < steps.size(); ++i) {
    if (options.keep_every == 0 || steps[i] % options.keep_every != 0) expired.push_back(steps[i]);
  }
  return expired;
}

}  // namespace clip_hpc
