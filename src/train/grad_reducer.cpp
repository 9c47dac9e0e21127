#include "clip_hpc/train/grad_reducer.hpp"

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

struct Hook : torch::autograd::PostAccumulateGradHook {
  explicit Hook(std::function<void()> what) : landed(std::move(what)) {}
  void operator()(const at::Tensor&) override { landed(); }
  std::function<void()> landed;
};

}  // namespace

GradReducer::GradReducer(Communicator& comm, ParameterArena& arena, double bucket_mib) : comm_(comm), arena_(arena) {
  const auto& specs = arena.specs();
  bucket_of_.resize(specs.size());
  landed_.resize(specs.size());
  const auto element_bytes = static_cast<double>(arena.gradients().element_size());
  const auto full = static_cast<std::int64_t>(bucket_mib * 1048576.0 / element_bytes);
  for (std::size_t i = specs.size(); i-- > 0;) {
    // The first bucket is small, so that communication begins early.
    const std::int64_t limit = buckets_.size() == 1 ? full / 4 : full;
    if (buckets_.empty() || buckets_.back().end - buckets_.back().begin >= limit) {
      buckets_.push_back({specs[i].offset + specs[i].numel, specs[i].offset + specs[i].numel, 0, 0, {}});
    }
    buckets_.back().begin = specs[i].offset;
    buckets_.back().parameters += 1;
    bucket_of_[i] = buckets_.size() - 1;
    torch::autograd::impl::set_post_acc_grad_hooks(arena.parameter(i),
                                                   std::make_unique<Hook>([this, i] { landed(i); }));
  }
}

GradReducer::~GradReducer() {
  for (std::size_t i = 0; i < bucket_of_.size(); ++i) {
    torch::autograd::impl::set_post_acc_grad_hooks(arena_.parameter(i), nullptr);
  }
}

void GradReducer::start() {
  for (Bucket& bucket : buckets_) bucket.missing = bucket.parameters;
  landed_.assign(landed_.size(), false);
  next_ = 0;
  armed_ = true;
}

void GradReducer::landed(std::size_t parameter) {
  if (!armed_ || landed_[parameter]) return;
  landed_[parameter] = true;
  buckets_[bucket_of_[parameter]].missing -= 1;
  while (next_ < buckets_.size() && buckets_[next_].missing == 0) {
    Bucket& bucket = buckets_[next_++];
    bucket.work =
        comm_.start_all_reduce(arena_.gradients().narrow(0, bucket.begin, bucket.end - bucket.begin), ReduceOp::sum);
  }
  comm_.progress();
}

void GradReducer::finish() {
  armed_ = false;
  for (std::size_t i = 0; i < landed_.size(); ++i) {
    if (!landed_[i]) throw internal_error("parameter {} got no gradient", arena_.specs()[i].name);
  }
  for (Bucket& bucket : buckets_) bucket.work.wait();
}

}  // namespace clip_hpc
