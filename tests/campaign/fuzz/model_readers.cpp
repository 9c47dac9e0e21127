// What a model comes from: JSON, weights, checkpoints.
#include "checkpoint/manifest.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/checkpoint/safetensors.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"
#include "tests/campaign/fuzz/reader.hpp"

namespace clip_hpc::fuzz {
namespace {

namespace fs = std::filesystem;

void read_model(std::string_view bytes, const fs::path& scratch) {
  to_json(read_model_config(write(scratch / "m.json", bytes)));
}
std::vector<std::string> model_seeds(const fs::path&) {
  const fs::path models = fs::path(std::getenv("CLIP_HPC_SOURCE_DIR")) / "configs/models";
  return {read_back(models / "ViT-B-32.json"),
          R"({"model_cfg": {"embed_dim": 32, "vision_cfg": {"image_size": 32, "layers": 2, "width": 32, "patch_size": 8,
          "head_width": 16}, "text_cfg": {"context_length": 16, "vocab_size": 300, "width": 32, "heads": 2, "layers": 2}},
          "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"}})"};
}

void read_weights(std::string_view bytes, const fs::path& scratch) {
  for (const auto& [name, tensor] : read_safetensors(write(scratch / "w.safetensors", bytes)))
    tensor.to(at::kFloat).sum();
}
std::vector<std::string> weights_seeds(const fs::path& scratch) {
  const fs::path file = scratch / "w.safetensors";
  write_safetensors(
      file, {{"a.weight", at::ones({2, 3})}, {"b", at::ones({4}, at::kBFloat16)}, {"c", at::zeros({}, at::kLong)}},
      {{"format", "pt"}});
  return {read_back(file)};
}

void read_state(std::string_view bytes, const fs::path& scratch) {
  open_state_file(write(scratch / "state.h5", bytes));
}
std::vector<std::string> state_seeds(const fs::path& scratch) {
  create_state_file(scratch / "state.h5", {{"master", 0, 8}, {"adamw.exp_avg", 0, 8}});
  return {read_back(scratch / "state.h5")};
}

// A checkpoint whose other files are whole, and whose manifest has no checksum of its own: older versions wrote none,
// so numbers get through to those who use them.
fs::path small_checkpoint(const fs::path& folder) {
  if (fs::exists(folder)) return folder;
  fs::create_directories(folder);
  const auto buffers = create_state_file(folder / kStateFile, {{"master", 0, 8}});
  write_safetensors(folder / kWeightsFile, {{"a", at::ones({8})}});
  const std::string sum = hex64(xxh64(bytes_of(at::zeros({4}))));
  std::vector<std::string> slices;
  for (const int begin : {0, 4}) {
    Json slice;
    slice["master"] = {{"begin", begin}, {"count", 4}, {"xxh64", sum}};
    slices.push_back(slice.dump());
  }
  const Json manifest =
      manifest_of(folder, buffers, {{"step", 3}, {"samples_seen", 96}, {"applied", 3}, {"skipped", 0}}, slices);
  write_json_file(folder / kManifestFile, manifest);
  return folder;
}
void read_manifest(std::string_view bytes, const fs::path& scratch) {
  const fs::path folder = small_checkpoint(scratch / "step_000000003");
  write(folder / kManifestFile, bytes);
  if (const CheckpointInfo info = inspect_checkpoint(folder); !info.about) throw storage_error("{}", info.problem);
  read_buffers(folder / kManifestFile);
  const at::Tensor whole = at::zeros({8});
  restore_checkpoint(folder, {NamedBuffer{.name = "master", .tensor = whole, .first = 0, .numel = 8}});
}
std::vector<std::string> manifest_seeds(const fs::path& scratch) {
  const std::string whole = read_back(small_checkpoint(scratch / "a") / kManifestFile);
  Json bare = Json::parse(whole);
  bare.erase("xxh64");
  Json older = bare;
  older["schema_version"] = 1;
  older["numel"] = 8;
  older["slices"] = Json::array();
  for (const Json& slice : bare["buffers"]["master"]["slices"]) {
    older["slices"].push_back(
        {{"begin", slice["begin"]}, {"count", slice["count"]}, {"xxh64", {{"master", slice["xxh64"]}}}});
  }
  older.erase("buffers");
  return {whole, bare.dump(1), older.dump(1)};
}

constexpr Reader kModelReaders[] = {
    {"model", model_seeds, read_model},
    {"safetensors", weights_seeds, read_weights},
    {"state", state_seeds, read_state},
    {"manifest", manifest_seeds, read_manifest},
};

}  // namespace

std::span<const Reader> model_readers() { return kModelReaders; }

}  // namespace clip_hpc::fuzz
