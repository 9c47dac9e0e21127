#include "clip_hpc/checkpoint/checkpoint_writer.hpp"

#include <c10/core/Event.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <optional>
#include <utility>

#include "checkpoint/manifest.hpp"
#include "clip_hpc/base/deadline.hpp"
#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"

namespace clip_hpc {
namespace {

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

// The weights that this buffer holds, read back from the file to which all ranks have written.
NamedTensors weights_in(const std::filesystem::path& state_file, const StateBuffer& buffer,
                        const std::vector<ParameterSpec>& layout) {
  const at::Tensor all = at::empty({buffer.numel}, at::kFloat);
  pread_all(FileDescriptor::open_read(state_file).get(), mutable_bytes_of(all), buffer.offset_bytes,
            state_file.native());
  NamedTensors weights;
  for (const ParameterSpec& spec : layout) {
    if (!spec.exported) continue;
    weights.emplace_back(spec.name, all.narrow(0, spec.offset, spec.numel).view(spec.shape));
  }
  return weights;
}

// The same step saved again: at every moment one of the two is whole under its name or beside it.
void put_in_place(const std::filesystem::path& beside, const std::filesystem::path& folder) {
  const std::filesystem::path before = folder.native() + kReplacedSuffix;
  std::filesystem::remove_all(before);
  if (std::filesystem::exists(folder)) rename_synced(folder, before);
  rename_synced(beside, folder);
  std::filesystem::remove_all(before);
}

// Marks the place in the device's work after which copies to host memory are there.
std::optional<c10::Event> mark_on(const c10::Device& device) {
  if (device.is_cpu()) return std::nullopt;
  const c10::impl::VirtualGuardImpl guard(device.type());
  c10::Event event(device.type());
  event.record(guard.getStream(device));
  return event;
}

bool is_ready(const auto& future) {
  return future.valid() && future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

bool is_failure(const auto& future) {
  if (!is_ready(future)) return false;
  try {
    future.get();
    return false;
  } catch (...) {
    return true;
  }
}

}  // namespace

// What this rank writes of one buffer: elements [begin, begin + host.numel()).
struct PartOfBuffer {
  std::string name;
  std::int64_t begin = 0;
  at::Tensor host;
  std::uint64_t offset_bytes = 0;  // of the whole buffer in the file
};

struct CheckpointWriter::Job {
  std::filesystem::path folder, beside;
  std::vector<PartOfBuffer> parts;
  std::vector<StateBuffer> places;
  CheckpointContent rest;  // rank 0: what the manifest and the weights need; no live tensors
  std::vector<std::pair<std::string, at::Tensor>> counts;
  std::optional<c10::Event> copied;
  std::shared_future<std::string> part;  // what write_part returns
  std::shared_future<void> whole;        // rank 0
  bool has_parts = false;
  Timer since_begin;

  std::filesystem::path state_file() const { return beside / "state.h5"; }
  std::string write_part();
  void write_rest(const std::vector<std::string>& parts_of_ranks);
};

// By name: begin, count, xxh64 of what this rank has written.
std::string CheckpointWriter::Job::write_part() {
  if (copied) copied->synchronize();
  Json slices = Json::object();
  const FileDescriptor file = FileDescriptor::open_write(state_file());
  for (const PartOfBuffer& one : parts) {
    const auto bytes = bytes_of(one.host);
    pwrite_all(file.get(), bytes, one.offset_bytes + static_cast<std::uint64_t>(one.begin) * sizeof(float),
               state_file().native());
    slices[one.name] = {{"begin", one.begin}, {"count", one.host.numel()}, {"xxh64", hex64(xxh64(bytes))}};
  }
  if (::fsync(file.get()) != 0) throw storage_error("cannot sync {}", state_file().native());
  return slices.dump();
}

// The weights, and the manifest, which makes the checkpoint exist.
void CheckpointWriter::Job::write_rest(const std::vector<std::string>& parts_of_ranks) {
  const auto write_weights = [&](const char* buffer, const char* file) {
    const auto place = std::ranges::find(places, buffer, &StateBuffer::name);
    if (place == places.end()) return;
    NamedTensors weights = weights_in(state_file(), *place, rest.layout);
    weights.insert(weights.end(), rest.model_buffers.begin(), rest.model_buffers.end());
    write_safetensors(beside / file, weights, {{"format", "pt"}});
  };
  write_weights("master", kWeightsFile);
  write_weights("ema", kAverageFile);
  for (const auto& [name, count] : counts) rest.about[name] = count.item<std::int64_t>();
  write_json_file(beside / kManifestFile, manifest_of(beside, places, rest.about, parts_of_ranks));
  sync_path(beside);
  put_in_place(beside, folder);
}

CheckpointWriter::CheckpointWriter(World& world, WriterOptions options) : world_(world), options_(std::move(options)) {}

CheckpointWriter::~CheckpointWriter() {
  if (!job_) return;
  if (job_->part.valid()) job_->part.wait();
  if (job_->whole.valid()) job_->whole.wait();
}

std::function<void()> CheckpointWriter::hang(const std::filesystem::path& folder) const {
  return [folder, options = options_] {
    if (!options.on_hang) return;
    options.on_hang(
        fmt::format("checkpoint {} has not been written in checkpoint.timeout_s = {} s: the storage does not answer; "
                    "submit again to continue from the checkpoint before",
                    folder.native(), options.timeout_s));
  };
}

void CheckpointWriter::begin(const std::filesystem::path& folder, const CheckpointContent& content) {
  finish();
  auto job = std::make_unique<Job>();
  job->folder = folder;
  job->beside = folder.native() + kUnfinishedSuffix;
  const Deadline deadline(options_.timeout_s, hang(folder));

  // Rank 0 lays the file out and tells where the buffers lie.
  for (const NamedBuffer& buffer : content.buffers) job->places.push_back({buffer.name, 0, buffer.length()});
  write_together(world_, [&] {
    if (world_.rank() != 0) return;
    std::filesystem::remove_all(job->beside);
    std::filesystem::create_directories(job->beside);
    job->places = create_state_file(job->state_file(), job->places);
  });
  Json offsets = Json::array();
  for (const StateBuffer& place : job->places) offsets.push_back(place.offset_bytes);
  offsets = Json::parse(world_.broadcast(offsets.dump()));
  for (std::size_t i = 0; i < job->places.size(); ++i) job->places[i].offset_bytes = offsets[i].get<std::uint64_t>();

  job_ = std::move(job);
  copy_from(content);
  start_part();
}

// Into memory that is there from the checkpoint before, so that a save costs no page faults.
at::Tensor CheckpointWriter::host_copy(const std::string& name, const at::Tensor& tensor) {
  at::Tensor& host = host_[name];
  if (!host.defined() || host.sizes() != tensor.sizes() || host.scalar_type() != tensor.scalar_type()) {
    host = at::empty(tensor.sizes(),
                     at::TensorOptions().dtype(tensor.scalar_type()).pinned_memory(!tensor.device().is_cpu()));
  }
  host.copy_(tensor, !tensor.device().is_cpu());
  return host;
}

void CheckpointWriter::copy_from(const CheckpointContent& content) {
  Job& job = *job_;
  const std::int64_t rank = world_.rank(), ranks = world_.size();
  for (std::size_t i = 0; i < content.buffers.size(); ++i) {
    // Its own part, or its share of what all have.
    const NamedBuffer& buffer = content.buffers[i];
    const std::int64_t n = buffer.tensor.numel();
    const std::int64_t from = buffer.is_part() ? 0 : n * rank / ranks;
    const std::int64_t count = buffer.is_part() ? n : n * (rank + 1) / ranks - from;
    job.parts.push_back({buffer.name, buffer.first + from,
                         host_copy("buffer " + buffer.name, buffer.tensor.narrow(0, from, count)),
                         job.places[i].offset_bytes});
    if (!buffer.tensor.device().is_cpu() && i + 1 == content.buffers.size())
      job.copied = mark_on(buffer.tensor.device());
  }
  if (rank != 0) return;
  job.rest.about = content.about;
  job.rest.layout = content.layout;
  for (const auto& [name, tensor] : content.model_buffers) {
    job.rest.model_buffers.emplace_back(name, host_copy("model " + name, tensor));
  }
  for (const auto& [name, tensor] : content.counts) job.counts.emplace_back(name, host_copy("count " + name, tensor));
}

void CheckpointWriter::start_part() {
  job_->part = std::async(std::launch::async, [job = job_.get(), late = hang(job_->folder), s = options_.timeout_s] {
                 const Deadline deadline(s, late);
                 return job->write_part();
               }).share();
}

bool CheckpointWriter::waits_for_parts() const { return job_ && !job_->has_parts; }

bool CheckpointWriter::is_writing() const { return waits_for_parts() && !is_ready(job_->part); }

bool CheckpointWriter::has_failed() const { return job_ && (is_failure(job_->part) || is_failure(job_->whole)); }

void CheckpointWriter::advance() {
  if (!job_) return;
  write_together(world_, [&] {
    if (job_->has_parts) {
      if (is_ready(job_->whole)) job_->whole.get();
    } else {
      job_->part.get();
    }
  });
  if (job_->has_parts) return;
  job_->has_parts = true;
  const std::vector<std::string> parts = world_.gather_strings(job_->part.get());
  if (world_.rank() != 0) return;
  job_->whole = std::async(std::launch::async, [job = job_.get(), parts, late = hang(job_->folder), o = options_] {
                  const Deadline deadline(o.timeout_s, late);
                  job->write_rest(parts);
                  if (o.on_complete) o.on_complete(job->since_begin.seconds());
                }).share();
}

void CheckpointWriter::finish() {
  if (!job_) return;
  try {
    if (waits_for_parts()) advance();
    write_together(world_, [&] {
      if (job_->whole.valid()) job_->whole.get();
    });
  } catch (...) {
    job_.reset();
    throw;
  }
  job_.reset();
}

void save_checkpoint(World& world, const std::filesystem::path& folder, const CheckpointContent& content) {
  CheckpointWriter writer(world);
  writer.begin(folder, content);
  writer.finish();
}

}  // namespace clip_hpc
