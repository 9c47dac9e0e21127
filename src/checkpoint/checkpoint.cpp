#include "clip_hpc/checkpoint/checkpoint.hpp"

#include <algorithm>

#include "checkpoint/manifest.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"

namespace clip_hpc {
namespace {

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
  for (const StoredSlice& slice : written.slices) {
    if (slice.begin != checked || slice.count < 0 || slice.count > numel - checked) throw not_covered();
    checked += slice.count;
    const std::int64_t begin = std::max(slice.begin, buffer.first);
    const std::int64_t end = std::min(slice.begin + slice.count, buffer.first + buffer.tensor.numel());
    if (begin >= end) continue;  // another rank's
    const at::Tensor host = at::empty({slice.count}, at::kFloat);
    pread_all(file.get(), mutable_bytes_of(host),
              stored.offset_bytes + static_cast<std::uint64_t>(slice.begin) * sizeof(float), path.native());
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
  table.add("checkpoint.at_steps", options.at_steps,
            "steps that get a checkpoint which is never deleted, for example 400,800: where a fork may begin",
            [](const std::string&, const std::string& text) { step_list(text); });
  table.add("checkpoint.keep", options.keep, "newest checkpoints that are kept", at_least(1));
  table.add("checkpoint.keep_every", options.keep_every, "checkpoints at multiples of so many steps are never deleted",
            at_least(0));
  table.add("checkpoint.timeout_s", options.timeout_s,
            "seconds after which storage that does not take a checkpoint ends the run with exit code 3; 0: never",
            in_range(0.0, 1e6));
}

std::vector<std::int64_t> step_list(const std::string& text) {
  std::vector<std::int64_t> steps;
  for (const std::string_view part : split_text(text, ',')) {
    if (text.empty()) break;
    const std::string word(trim(part));
    if (word.empty() || word.size() > 15 || word.find_first_not_of("0123456789") != std::string::npos ||
        std::stoll(word) == 0) {
      throw input_error("checkpoint.at_steps = {}: \"{}\" is no step: write 400,800", text, word);
    }
    steps.push_back(std::stoll(word));
  }
  return steps;
}

CheckpointInfo inspect_checkpoint(const std::filesystem::path& folder) {
  try {
    const Json manifest = read_json_file(folder / "manifest.json");
    const int version = manifest.at("schema_version").get<int>();
    if (version < 1 || version > kSchemaVersion) {
      return {{}, fmt::format("its schema version {} is not one that this program knows", version)};
    }
    if (const std::string problem = problem_of(manifest); !problem.empty()) return {{}, "manifest.json: " + problem};
    for (const auto& [name, size] : manifest.at("files").items()) {
      std::error_code missing;
      const auto found = std::filesystem::file_size(folder / name, missing);
      if (missing || found != size.get<std::uintmax_t>()) return {{}, name + " is missing or truncated"};
    }
    return {manifest.at("about"), ""};
  } catch (const Json::exception& problem) {
    return {{}, fmt::format("{} is damaged: {}", kManifestFile, problem.what())};
  } catch (const std::exception& problem) {
    return {{}, problem.what()};
  }
}

Json restore_checkpoint(const std::filesystem::path& folder, const std::vector<NamedBuffer>& buffers) {
  const CheckpointInfo info = inspect_checkpoint(folder);
  if (!info.about) throw storage_error("{} is not a complete checkpoint: {}", folder.native(), info.problem);
  const std::filesystem::path path = folder / "state.h5";
  WrittenBuffers written = read_buffers(folder / kManifestFile);
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
  const std::vector<std::int64_t> at_steps = step_list(options.at_steps);
  const auto newest = std::min(steps.size(), static_cast<std::size_t>(options.keep));
  for (std::size_t i = 0; i + newest < steps.size(); ++i) {
    if (options.keep_every != 0 && steps[i] % options.keep_every == 0) continue;
    if (std::ranges::find(at_steps, steps[i]) == at_steps.end()) expired.push_back(steps[i]);
  }
  return expired;
}

}  // namespace clip_hpc
