#include "clip_hpc/train/grad_reducer.hpp"

#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>
#include <algorithm>
#include <utility>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

struct Hook : torch::autograd::PostAccumulateGradHook {
  explicit Hook(std::function<void()> what) : landed(std::move(what)) {}
  void operator()(const at::Tensor&) override { landed(); }
  std::function<void()> landed;
};

}  // namespace

GradReducer::GradReducer(Communicator& comm, ParameterArena& arena, double bucket_mib, bool in_fp32)
    : comm_(comm), arena_(arena), widens_(in_fp32 && arena.gradients().scalar_type() != at::kFloat && comm.size() > 1) {
  const auto& specs = arena.specs();
  const int parts = arena.share().parts;
  const auto element_bytes = static_cast<double>(arena.gradients().element_size());
  const auto full = static_cast<std::int64_t>(bucket_mib * 1048576.0 / element_bytes);
  buckets_of_.resize(specs.size());
  landed_.resize(specs.size());
  const auto open_bucket = [this](std::int64_t end) { buckets_.push_back({end, end, 0, 0, 0, {}, {}}); };
  int holder = parts - 1;
  for (std::size_t i = specs.size(); i-- > 0;) {
    if (specs[i].frozen) continue;  // no gradient lands
    // The first bucket is small, so that communication begins early.
    const std::int64_t limit = buckets_.size() == 1 ? full / 4 : full;
    const std::int64_t end = specs[i].offset + specs[i].numel;
    if (buckets_.empty() || buckets_.back().end - buckets_.back().begin >= limit) open_bucket(end);
    std::int64_t left = end;  // elements of this parameter that have no bucket yet: [offset, left)
    bool is_first = true;
    while (left > specs[i].offset) {
      while (arena_slice(arena.numel(), {holder, parts}).begin >= left) {
        holder -= 1;
        if (buckets_.back().begin < buckets_.back().end) open_bucket(left);
      }
      const std::int64_t begin = std::max(specs[i].offset, arena_slice(arena.numel(), {holder, parts}).begin);
      buckets_.back().begin = begin;
      buckets_.back().root = holder;
      buckets_.back().parameters += 1;
      buckets_of_[i].last = buckets_.size() - 1;
      if (is_first) buckets_of_[i].first = buckets_of_[i].last;
      is_first = false;
      left = begin;
    }
    torch::autograd::impl::set_post_acc_grad_hooks(arena.parameter(i),
                                                   std::make_unique<Hook>([this, i] { landed(i); }));
  }
}

GradReducer::~GradReducer() {
  for (std::size_t i = 0; i < buckets_of_.size(); ++i) {
    if (arena_.specs()[i].frozen) continue;
    torch::autograd::impl::set_post_acc_grad_hooks(arena_.parameter(i), nullptr);
  }
}

at::Tensor GradReducer::part_of(const Bucket& bucket) {
  return arena_.gradients().narrow(0, bucket.begin, bucket.end - bucket.begin);
}

void GradReducer::send(Bucket& bucket) {
  at::Tensor part = part_of(bucket);
  if (widens_) part = bucket.wide = part.to(at::kFloat);
  bucket.work = arena_.share().parts > 1 ? comm_.start_reduce(part, ReduceOp::sum, bucket.root)
                                         : comm_.start_all_reduce(part, ReduceOp::sum);
}

void GradReducer::start(std::span<const std::size_t> landed_before) {
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters;
  for (std::size_t i = 0; i < landed_.size(); ++i) landed_[i] = arena_.specs()[i].frozen;
  next_ = 0;
  armed_ = true;
  for (const std::size_t parameter : landed_before) landed(parameter);
}

void GradReducer::landed(std::size_t parameter) {
  if (!armed_ || landed_[parameter]) return;
  landed_[parameter] = true;
  for (std::size_t b = buckets_of_[parameter].first; b <= buckets_of_[parameter].last; ++b) buckets_[b].missing -= 1;
  while (next_ < buckets_.size() && buckets_[next_].missing == 0) send(buckets_[next_++]);
  comm_.progress();
}

void GradReducer::finish() {
  armed_ = false;
  for (std::size_t i = 0; i < landed_.size(); ++i) {
    if (!landed_[i]) throw internal_error("parameter {} got no gradient", arena_.specs()[i].name);
  }
  for (Bucket& bucket : buckets_) {
    bucket.work.wait();
    if (widens_) part_of(bucket).copy_(std::exchange(bucket.wide, {}));
  }
}

void GradReducer::exchange() {
  start();
  for (std::size_t i = landed_.size(); i-- > 0;) landed(i);
  finish();
}

std::int64_t GradReducer::bytes() const {
  std::int64_t elements = 0;
  for (const Bucket& bucket : buckets_) elements += bucket.end - bucket.begin;
  return elements * (widens_ ? 4 : arena_.gradients().element_size());
}

}  // namespace clip_hpc
