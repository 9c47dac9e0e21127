// Batches in step order from several threads: read, decode, views. What a batch holds is a pure function of the plan,
// the seed and the step; threads, rank count and memory change only the speed.
#pragma once

#include <array>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "clip_hpc/data/loading/sample_plan.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/views/view.hpp"

namespace clip_hpc {

struct LoaderSource {
  std::shared_ptr<const PackedSet> set;
  std::int64_t weight = 1;         // repeats in one epoch
  std::vector<std::uint64_t> ids;  // a subset of the set; empty: all samples
};

struct ViewsFrom {
  std::int64_t step = 0;
  std::vector<ViewSpec> views;
};

struct LoaderOptions {
  std::vector<LoaderSource> sources;
  std::vector<ViewSpec> views;         // all of one size and channel count
  std::vector<ViewsFrom> later_views;  // as many of another size, from a step on; ascending
  // Captions become ids in the loader's threads, too. Fills `ids` and returns how many count; called from all threads.
  std::function<int(std::string_view caption, std::span<std::int32_t> ids)> encode;
  int context = 0;  // ids a caption; 0: captions alone
  // A teacher's features of a sample (index as in Batch::sample_ids) and its caption, `feature_floats` of them. From
  // all threads.
  std::function<void(std::uint64_t sample_id, int caption, std::span<float> into)> features;
  int feature_floats = 0;
  std::uint64_t seed = 0;
  std::uint64_t global_batch = 1;
  std::uint64_t world = 1;
  std::uint64_t rank = 0;
  std::int64_t start_step = 0;
  bool shuffle = true;  // false: the sources in order, over and over
  int workers = 1;
  int decode_size = 0;                                    // see decode_image
  std::uint64_t memory_bytes = std::uint64_t{256} << 20;  // of batches that wait; at least one batch is held
  std::uint64_t bad_samples_allowed = 100;                // more than this, and more than bad_share_allowed: throw
  double bad_share_allowed = 0.01;                        // of the samples read so far
};

struct Batch {
  std::int64_t step = -1;
  int n = 0;
  int image_size = 0;
  std::vector<std::uint8_t> images;  // [views, n, channels, image_size, image_size]
  std::vector<std::string> captions;
  std::vector<std::int32_t> ids;          // [n, context]
  std::vector<std::int32_t> lengths;      // [n]
  std::vector<float> features;            // [n, feature_floats]
  std::vector<std::uint64_t> sample_ids;  // index in the set; sets follow one another: + counts of the sets before
  std::vector<std::uint64_t> positions;   // step * global_batch + row: the address of a row's randomness
};

struct LoaderCounters {
  double read_s = 0, decode_s = 0, augment_s = 0;  // summed over threads
  double wait_s = 0;                               // next() stood still
  std::uint64_t samples = 0;
  std::uint64_t bad_samples = 0;
};

struct BadSample {
  std::uint64_t sample_id = 0;
  std::string reason;
};

class BatchLoader {
 public:
  explicit BatchLoader(LoaderOptions options);  // starts the threads; throws input
  ~BatchLoader();                               // stops them, at any time
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  Batch next();                 // the next step's batch; throws what a thread threw
  void recycle(Batch&& batch);  // hands the buffers back, so that they are not allocated again
  LoaderCounters counters() const;
  std::vector<BadSample> bad_samples() const;  // each once, by id: never replaced silently
  std::uint64_t epoch_samples() const { return plan_.count(); }
  std::uint64_t batch_bytes() const { return batch_bytes_; }
  int depth() const { return depth_; }  // batches in flight

 private:
  struct Slot {  // one step under construction
    Batch batch;
    int next_row = 0;
    int rows_done = 0;
  };
  struct Located {
    const PackedSet* set = nullptr;
    std::uint64_t index = 0;      // in the set
    std::uint64_t sample_id = 0;  // see Batch
  };
  struct Scratch;  // a worker's reused buffers

  void work(const std::stop_token& stop);
  Slot* claim(std::unique_lock<std::mutex>& lock, const std::stop_token& stop);
  void open_slot();
  Located locate(std::uint64_t place) const;
  const std::vector<ViewSpec>& views_at(std::int64_t step) const;
  void fill_row(Batch& batch, int row, Scratch& scratch);
  void make_views(Batch& batch, int row, const Located& located, Scratch& scratch) const;
  void note_bad(std::uint64_t sample_id, const std::string& reason);

  LoaderOptions options_;
  SamplePlan plan_;
  Slice slice_;
  std::uint64_t batch_bytes_ = 0;
  int depth_ = 1;

  mutable std::mutex mutex_;
  std::condition_variable_any work_or_stop_;
  std::condition_variable batch_done_;
  std::deque<std::unique_ptr<Slot>> ring_;  // steps in order; the front is what next() returns
  std::vector<Batch> spare_;
  std::int64_t next_step_;
  LoaderCounters counters_;
  std::map<std::uint64_t, std::string> bad_;
  std::exception_ptr failure_;
  std::vector<std::jthread> threads_;  // last: they end before what they use
};

}  // namespace clip_hpc
