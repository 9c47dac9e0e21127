// Writes checkpoints beside the training: at the end of a step the state is copied to host memory, and a thread of each
// rank writes its part. When all ranks have written theirs, a thread of rank 0 adds the weights and the manifest.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "clip_hpc/checkpoint/checkpoint.hpp"
#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

struct WriterOptions {
  double timeout_s = 0;  // of storage that does not answer; 0: none
  std::function<void(const std::string& text)> on_hang;
  std::function<void(double seconds)> on_complete;  // rank 0, in a thread of its own: since begin()
};

class CheckpointWriter {
 public:
  explicit CheckpointWriter(World& world, WriterOptions options = {});
  ~CheckpointWriter();  // waits for what this rank is writing
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Collective. Copies `content` and begins to write it into `folder`; what lives may change from here on. Where the
  // checkpoint before is not complete, waits for it. Throws storage on all ranks when something cannot be written.
  void begin(const std::filesystem::path& folder, const CheckpointContent& content);

  // Of this rank, for the ranks to agree on: its part is not written yet; what it wrote failed.
  bool is_writing() const;
  bool has_failed() const;
  bool waits_for_parts() const;  // the same on all ranks: begun, and not all parts are known to be there

  // Collective, when no rank is writing or one has failed: throws on all ranks what failed on one; else the parts are
  // all there, and rank 0 begins to complete the checkpoint.
  void advance();

  // Collective. Returns when the checkpoint is complete under its name. Nothing to do where none was begun.
  void finish();

 private:
  struct Job;
  void copy_from(const CheckpointContent& content);
  at::Tensor host_copy(const std::string& name, const at::Tensor& tensor);
  void start_part();
  void complete(const std::vector<std::string>& parts);
  std::function<void()> hang(const std::filesystem::path& folder) const;

  World& world_;
  WriterOptions options_;
  std::map<std::string, at::Tensor> host_;  // memory that is kept from one checkpoint to the next
  std::unique_ptr<Job> job_;
};

}  // namespace clip_hpc
