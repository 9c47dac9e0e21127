#include "clip_hpc/train/graphed_step.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr int kPlainRuns = 3;  // libraries choose kernels and take memory in the first ones

bool same_shape(const PairBatch& a, const PairBatch& b) {
  const auto sizes = [](const at::Tensor& x, const at::Tensor& y) { return x.sizes() == y.sizes(); };
  return std::ranges::equal(a.tensors(), b.tensors(), sizes);
}

void copy_into(const PairBatch& to, const PairBatch& from) {
  const std::vector<at::Tensor> into = to.tensors(), out = from.tensors();
  for (std::size_t i = 0; i < into.size(); ++i) into[i].copy_(out[i]);
}

}  // namespace

GraphedStep::GraphedStep(World& world, const ComputeDevice& device, bool on, Step step)
    : world_(world), device_(device), on_(on), step_(std::move(step)) {
  if (!on_) return;
  if (device_.is_cpu()) refusal_ = "the CPU has none";
  if (!device_.is_cpu() && device_plane() == nullptr) refusal_ = "the device library is not open";
  on_ = refusal_.empty();
}

GraphedStep::Recorded& GraphedStep::recorded_for(const PairBatch& batch) {
  const auto found = std::ranges::find_if(recorded_, [&](const Recorded& one) { return same_shape(one.batch, batch); });
  if (found != recorded_.end()) return *found;
  Recorded fresh;
  fresh.batch = batch.mapped([](const at::Tensor& tensor, std::int64_t) { return at::empty_like(tensor); });
  return recorded_.emplace_back(std::move(fresh));
}

std::size_t GraphedStep::graphs() const {
  return static_cast<std::size_t>(
      std::ranges::count_if(recorded_, [](const Recorded& one) { return one.graph != nullptr; }));
}

void GraphedStep::run(const PairBatch& batch) {
  if (!on_) return step_(batch);
  Recorded& here = recorded_for(batch);
  if (here.plain_runs < kPlainRuns) {
    here.plain_runs += 1;
    return step_(batch);
  }
  copy_into(here.batch, batch);
  if (!here.graph) {
    auto graph = device_plane()->make_graph();
    try {
      graph->capture([&] { step_(here.batch); });
    } catch (const Error& problem) {
      refusal_ = problem.what();
    }
    std::array<std::int64_t, 1> failed{refusal_.empty() ? 0 : 1};
    world_.all_reduce_max(failed);
    if (failed[0] != 0) {
      if (refusal_.empty()) refusal_ = "another rank could not record the step";
      on_ = false;
      return step_(batch);
    }
    here.graph = std::move(graph);
  }
  here.graph->replay();
}

}  // namespace clip_hpc
