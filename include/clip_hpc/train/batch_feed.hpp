// The way of a batch from the loader's memory to the model's device. On a GPU: through page-locked memory, by copies on
// a stream of their own that overlap with the steps before. Two batches are on their way at most, so the host runs
// ahead of the device by a few steps and no more. On the CPU the batch is used where it lies.
#pragma once

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "clip_hpc/comm/in_flight.hpp"
#include "clip_hpc/train/pair_batch.hpp"

namespace clip_hpc {

class BatchFeed {
 public:
  // `in_flight`: where a wait for the device is shown to the watchdog.
  BatchFeed(const at::Device& device, std::shared_ptr<InFlight> in_flight)
      : device_(device), in_flight_(std::move(in_flight)) {}

  // `host`: tensors in host memory, which may be used again when this returns, on the CPU only after the step. The
  // result is good for what the current stream is asked before done().
  PairBatch put(const PairBatch& host);
  void done();  // the step is asked for; its batch's place on the device is free when it has run

 private:
  struct Staged {  // one tensor in page-locked memory and on the device, grown when needed
    at::Tensor pinned, on_device;
    at::Tensor copy(const at::Tensor& host, const at::Device& device);
  };
  struct Slot {
    std::vector<Staged> staged;  // in the order of PairBatch::tensors
    std::optional<c10::Event> copied, used;
  };
  at::Device device_;
  std::shared_ptr<InFlight> in_flight_;
  std::optional<c10::Stream> copies_;
  std::array<Slot, 2> slots_;
  std::size_t turn_ = 0;
};

}  // namespace clip_hpc
