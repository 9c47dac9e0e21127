#include "clip_hpc/data/loading/sample_plan.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"

namespace clip_hpc {
namespace {

// An epoch's blocks stand in slots. The short block has no inverse permutation to be found by, so it gets a drawn slot
// of its own and the full blocks fill the others in permuted order.
struct Epoch {
  std::uint64_t block, tail, tail_slot, slots;

  std::uint64_t start(std::uint64_t slot) const {  // first position of a slot
    return slot * block - (tail > 0 && slot > tail_slot ? block - tail : 0);
  }
  std::uint64_t slot_at(std::uint64_t position) const {
    const std::uint64_t before_tail = tail_slot * block;
    if (tail == 0 || position < before_tail) return position / block;
    if (position < before_tail + tail) return tail_slot;
    return tail_slot + 1 + (position - before_tail - tail) / block;
  }
};

}  // namespace

SamplePlan::SamplePlan(const PlanOptions& options) : options_(options) {
  if (options_.count == 0) throw input_error("there is no sample to train on: check data.train and data.subset");
  if (options_.global_batch == 0) throw input_error("the global batch must be at least 1: check train.global_batch");
  if (options_.block == 0 || options_.window_blocks == 0) {
    throw input_error("blocks of samples and windows of blocks must not be empty");
  }
  full_blocks_ = options_.count / options_.block;
  tail_ = options_.count % options_.block;
}

std::uint64_t SamplePlan::sample_at(std::uint64_t position) const {
  const std::uint64_t epoch_index = position / options_.count;
  const std::uint64_t place = position % options_.count;
  if (!options_.shuffle) return place;

  const auto key = [&](std::uint64_t use) { return keyed_hash(options_.seed, Purpose::shuffle, epoch_index, use); };
  Epoch epoch{options_.block, tail_, full_blocks_, full_blocks_ + (tail_ > 0 ? 1 : 0)};
  if (tail_ > 0) epoch.tail_slot = key(1) % epoch.slots;

  const std::uint64_t window = epoch.slot_at(place) / options_.window_blocks;
  const std::uint64_t begin = epoch.start(window * options_.window_blocks);
  const std::uint64_t end = epoch.start(std::min((window + 1) * options_.window_blocks, epoch.slots));
  const KeyedPermutation within(end - begin, options_.seed, Purpose::shuffle, key(2 + window));
  const std::uint64_t shuffled = begin + within(place - begin);

  const std::uint64_t slot = epoch.slot_at(shuffled);
  std::uint64_t block = full_blocks_;  // the short one
  if (tail_ == 0 || slot != epoch.tail_slot) {
    const KeyedPermutation blocks(full_blocks_, options_.seed, Purpose::shuffle, key(0));
    block = blocks(tail_ > 0 && slot > epoch.tail_slot ? slot - 1 : slot);
  }
  return block * options_.block + (shuffled - epoch.start(slot));
}

Slice rank_slice(std::uint64_t global_batch, std::uint64_t world, std::uint64_t rank) {
  if (rank >= world) throw internal_error("rank {} of {} ranks", rank, world);
  const std::uint64_t share = global_batch / world;
  const std::uint64_t extra = global_batch % world;
  const std::uint64_t begin = rank * share + std::min(rank, extra);
  return {begin, begin + share + (rank < extra ? 1 : 0)};
}

}  // namespace clip_hpc
