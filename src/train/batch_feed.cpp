#include "clip_hpc/train/batch_feed.hpp"

#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace clip_hpc {
namespace {

at::Tensor room_for(const at::Tensor& have, const at::Tensor& host, const at::TensorOptions& options) {
  if (have.defined() && have.numel() >= host.numel() && have.scalar_type() == host.scalar_type()) return have;
  return at::empty({host.numel()}, options.dtype(host.scalar_type()));
}

c10::Stream compute_stream(const at::Device& device) {
  return c10::impl::VirtualGuardImpl(device.type()).getStream(device);
}

}  // namespace

at::Tensor BatchFeed::Staged::copy(const at::Tensor& host, const at::Device& device) {
  pinned = room_for(pinned, host, at::TensorOptions().pinned_memory(true));
  on_device = room_for(on_device, host, at::TensorOptions().device(device));
  const at::Tensor from = pinned.narrow(0, 0, host.numel()).view(host.sizes());
  at::Tensor to = on_device.narrow(0, 0, host.numel()).view(host.sizes());
  from.copy_(host);
  to.copy_(from, /*non_blocking=*/true);
  return to;
}

PairBatch BatchFeed::put(const PairBatch& host) {
  if (device_.is_cpu()) return host;
  const c10::impl::VirtualGuardImpl impl(device_.type());
  if (!copies_) copies_ = impl.getStreamFromGlobalPool(device_, false);
  Slot& slot = slots_[turn_];
  if (!slot.copied) {
    slot.copied.emplace(device_.type());
    slot.used.emplace(device_.type());
  } else {
    const InFlightMark mark(*in_flight_, "the device, two steps behind");
    slot.copied->synchronize();  // two batches ago: the page-locked memory is free
    slot.used->block(*copies_);  // and so is, by then, the device's
  }
  const c10::StreamGuard guard(*copies_);
  slot.staged.resize(host.tensors().size());
  auto next = slot.staged.begin();
  PairBatch batch =
      host.mapped([&](const at::Tensor& tensor, std::int64_t) { return (next++)->copy(tensor, device_); });
  slot.copied->record(*copies_);
  slot.copied->block(guard.original_stream());
  return batch;
}

void BatchFeed::done() {
  if (device_.is_cpu()) return;
  slots_[turn_].used->record(compute_stream(device_));
  turn_ = (turn_ + 1) % slots_.size();
}

}  // namespace clip_hpc
