#include "clip_hpc/checkpoint/checkpoint.hpp"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"

namespace clip_hpc {
namespace {

constexpr int kSchemaVersion = 1;
constexpr const char* kUnfinishedSuffix = ".tmp";
constexpr const char* kReplacedSuffix = ".replaced";
constexpr const char* kWeightsFile = "model.safetensors";
constexpr const char* kAverageFile = "ema.safetensors";

// Runs `work` and agrees with all ranks on whether it went well: a collective is entered by all or by none.
void agree(World& world, const std::function<void()>& work) {
  std::string problem;
  try {
    work();
  } catch (const std::exception& error) {
    problem = error.what();
    if (problem.empty()) problem = "unknown error";
  }
  for (const std::string& one : world.all_gather_strings(problem)) {
    if (!one.empty()) throw storage_error("checkpoint not written: {}", one);
  }
}

std::span<std::byte> bytes_of(const at::Tensor& host) {
  return {static_cast<std::byte*>(host.mutable_data_ptr()), host.nbytes()};
}

std::int64_t numel_of(const TrainState& state) {
  return state.numel > 0 ? state.numel : state.buffers.front().second.numel();
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
      weights.emplace_back(spec.name, all.narrow(0, spec.offset, spec.numel).view(spec.shape));
    }
  }
  return weights;
}

struct Slice {  // what one rank wrote of every buffer
  std::int64_t begin = 0, count = 0;
  std::map<std::string, std::string> xxh64;  // by buffer
};

std::vector<Slice> read_slices(const std::filesystem::path& manifest_file) {
  const Json manifest = read_json_file(manifest_file);
  try {
    std::vector<Slice> slices;
    for (const Json& slice : manifest.at("slices")) {
      slices.push_back({slice.at("begin").get<std::int64_t>(), slice.at("count").get<std::int64_t>(),
                        slice.at("xxh64").get<std::map<std::string, std::string>>()});
    }
    return slices;
  } catch (const Json::exception& problem) {
    throw storage_error("{} is damaged: {}; resume from an older checkpoint", manifest_file.native(), problem.what());
  }
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

void save_checkpoint(World& world, const std::filesystem::path& folder, const TrainState& state) {
  const std::filesystem::path beside = folder.native() + kUnfinishedSuffix;
  const std::filesystem::path state_file = beside / "state.h5";
  const std::int64_t numel = numel_of(state);

  // 1. Rank 0 lays the file out and tells where the buffers lie.
  Json offsets = Json::array();
  agree(world, [&] {
    if (world.rank() != 0) return;
    std::filesystem::remove_all(beside);
    std::filesystem::create_directories(beside);
    std::vector<std::string> names;
    for (const auto& [name, tensor] : state.buffers) names.push_back(name);
    for (const StateBuffer& buffer : create_state_file(state_file, names, numel))
      offsets.push_back(buffer.offset_bytes);
  });
  offsets = Json::parse(world.broadcast(offsets.dump()));

  // 2. Every rank writes its slice of every buffer.
  const bool is_shared = state.numel > 0;
  const std::int64_t begin = is_shared ? state.first : numel * world.rank() / world.size();
  const std::int64_t count =
      is_shared ? state.buffers.front().second.numel() : numel * (world.rank() + 1) / world.size() - begin;
  Json slice = {{"begin", begin}, {"count", count}, {"xxh64", Json::object()}};
  agree(world, [&] {
    const FileDescriptor file = FileDescriptor::open_write(state_file);
    for (std::size_t i = 0; i < state.buffers.size(); ++i) {
      const auto& [name, tensor] = state.buffers[i];
      const at::Tensor host = tensor.narrow(0, begin - state.first, count).cpu();
      const auto bytes = bytes_of(host);
      pwrite_all(file.get(), bytes, offsets[i].get<std::uint64_t>() + static_cast<std::uint64_t>(begin) * 4,
                 state_file.native());
      slice["xxh64"][name] = hex64(xxh64(bytes));
    }
    if (::fsync(file.get()) != 0) throw storage_error("cannot sync {}", state_file.native());
  });
  const std::vector<std::string> slices = world.gather_strings(slice.dump());

  // 3. Rank 0 adds the weights and the manifest, which makes the checkpoint exist.
  agree(world, [&] {
    if (world.rank() != 0) return;
    const NamedTensors weights = state.weights.empty() ? weights_in(state_file, "master", state.layout) : state.weights;
    write_safetensors(beside / kWeightsFile, weights, {{"format", "pt"}});
    const bool averages = std::ranges::any_of(state.buffers, [](const auto& one) { return one.first == "ema"; });
    if (averages) {
      write_safetensors(beside / kAverageFile, weights_in(state_file, "ema", state.layout), {{"format", "pt"}});
    }
    Json manifest = {{"schema_version", kSchemaVersion}, {"numel", numel}, {"world_size", world.size()}};
    manifest["files"] = Json::object();
    for (const char* name : {"state.h5", kWeightsFile, kAverageFile}) {
      if (name != kAverageFile || averages) manifest["files"][name] = std::filesystem::file_size(beside / name);
    }
    manifest["weights_xxh64"] = hex64(xxh64_of_file(beside / kWeightsFile));
    if (averages) manifest["ema_xxh64"] = hex64(xxh64_of_file(beside / kAverageFile));
    manifest["slices"] = Json::array();
    for (const std::string& text : slices) manifest["slices"].push_back(Json::parse(text));
    manifest["about"] = state.about;
    write_json_file(beside / "manifest.json", manifest);
    sync_path(beside);
    // The same step saved again: at every moment one of the two is whole under its name or beside it.
    const std::filesystem::path before = folder.native() + kReplacedSuffix;
    std::filesystem::remove_all(before);
    if (std::filesystem::exists(folder)) rename_synced(folder, before);
    rename_synced(beside, folder);
    std::filesystem::remove_all(before);
  });
}

CheckpointInfo inspect_checkpoint(const std::filesystem::path& folder) {
  try {
    const Json manifest = read_json_file(folder / "manifest.json");
    if (manifest.at("schema_version").get<int>() != kSchemaVersion) {
      return {{}, "its schema version is not the one of this program"};
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

Json restore_checkpoint(const std::filesystem::path& folder, TrainState& state) {
  const CheckpointInfo info = inspect_checkpoint(folder);
  if (!info.about) throw storage_error("{} is not a complete checkpoint: {}", folder.native(), info.problem);
  const std::filesystem::path path = folder / "state.h5";
  const std::vector<Slice> slices = read_slices(folder / "manifest.json");
  const std::vector<StateBuffer> stored = open_state_file(path);
  const FileDescriptor file = FileDescriptor::open_read(path);
  const std::int64_t numel = numel_of(state);
  for (auto& [name, tensor] : state.buffers) {
    const auto at = std::find_if(stored.begin(), stored.end(), [&](const StateBuffer& b) { return b.name == name; });
    if (at == stored.end()) throw storage_error("{} holds no buffer \"{}\"", path.native(), name);
    if (at->numel != numel) {
      throw storage_error("{}: {} elements, the model has {}: the checkpoint is of another model", path.native(),
                          at->numel, numel);
    }
    const auto not_covered = [&folder, what = name] {
      return storage_error("{}: its slices do not cover {}: the file is damaged; resume from an older checkpoint",
                           (folder / "manifest.json").native(), what);
    };
    std::int64_t checked = 0;  // slices lie end to end, so that no element goes unchecked
    for (const Slice& slice : slices) {
      const auto sum = slice.xxh64.find(name);
      if (slice.begin != checked || slice.count < 0 || slice.count > numel - checked || sum == slice.xxh64.end()) {
        throw not_covered();
      }
      checked += slice.count;
      const std::int64_t begin = std::max(slice.begin, state.first);
      const std::int64_t end = std::min(slice.begin + slice.count, state.first + tensor.numel());
      if (begin >= end) continue;  // another rank's
      const at::Tensor host = at::empty({slice.count}, at::kFloat);
      pread_all(file.get(), bytes_of(host), at->offset_bytes + static_cast<std::uint64_t>(slice.begin) * 4,
                path.native());
      if (hex64(xxh64(bytes_of(host))) != sum->second) {
        throw storage_error(
            "{}: checksum of {} does not match at element {}: the file is damaged; resume from an "
            "older checkpoint",
            path.native(), name, slice.begin);
      }
      tensor.narrow(0, begin - state.first, end - begin).copy_(host.narrow(0, begin - slice.begin, end - begin));
    }
    if (checked != numel) throw not_covered();
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
