#include "clip_hpc/data/loading/loader.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/data/image/decode.hpp"

namespace clip_hpc {
namespace {

constexpr int kRowsAtOnce = 8;        // what a thread takes: small enough to share one batch among threads
constexpr int kMaxDepth = 64;         // batches in flight, however much memory is allowed
constexpr int kMaxReplacements = 16;  // places tried for one row

std::uint64_t samples_of(const LoaderSource& source) {
  return source.ids.empty() ? source.set->count() : source.ids.size();
}

void check_views(std::span<const ViewSpec> views) {
  for (const ViewSpec& view : views) {
    if (view.size != views[0].size || view.channels != views[0].channels) {
      throw input_error("all views of a batch need one size: {} has {}, {} has {}", views[0].name, views[0].size,
                        view.name, view.size);
    }
  }
}

LoaderOptions checked(LoaderOptions options) {
  if (options.sources.empty()) throw input_error("data.train names no set: give at least one packed set");
  for (const LoaderSource& source : options.sources) {
    if (source.weight < 1) {
      throw input_error("{}: the weight must be at least 1, got {}", source.set->folder().native(), source.weight);
    }
    if (!source.ids.empty() && std::ranges::max(source.ids) >= source.set->count()) {
      throw input_error("{}: the subset names sample {}, the set holds {}: draw it again with clip_hpc filter",
                        source.set->folder().native(), std::ranges::max(source.ids), source.set->count());
    }
  }
  if (options.views.empty()) throw internal_error("a loader without views");
  check_views(options.views);
  for (const ViewsFrom& later : options.later_views) {
    if (later.views.size() != options.views.size()) throw internal_error("a loader whose number of views changes");
    check_views(later.views);
  }
  if (options.workers < 1) throw input_error("data.workers must be at least 1, got {}", options.workers);
  if (options.context > 0 && !options.encode) throw internal_error("a loader with a context and no tokenizer");
  if (options.feature_floats > 0 && !options.features) throw internal_error("a loader of features and no reader");
  if (options.start_step < 0) throw internal_error("start step {}", options.start_step);
  return options;
}

SamplePlan make_plan(const LoaderOptions& options) {
  std::uint64_t count = 0;
  for (const LoaderSource& source : options.sources) {
    count += samples_of(source) * static_cast<std::uint64_t>(source.weight);
  }
  return SamplePlan(
      {.count = count, .seed = options.seed, .global_batch = options.global_batch, .shuffle = options.shuffle});
}

struct PickedCaption {
  std::string text;
  int number = 0;  // among the sample's
};

PickedCaption pick_caption(const std::string& captions, std::uint64_t seed, std::uint64_t position) {
  const auto others = static_cast<std::uint32_t>(std::ranges::count(captions, '\n'));
  if (others == 0) return {captions, 0};
  const std::uint32_t number = RandomStream(seed, Purpose::caption, position).below(others + 1);
  return {split_captions(captions)[number], static_cast<int>(number)};
}

}  // namespace

struct BatchLoader::Scratch {
  RawSample sample;
  Image image;
  int caption = 0;          // its number among the sample's
  LoaderCounters counters;  // not yet added to the shared ones
};

BatchLoader::BatchLoader(LoaderOptions options)
    : options_(checked(std::move(options))),
      plan_(make_plan(options_)),
      slice_(rank_slice(options_.global_batch, options_.world, options_.rank)),
      next_step_(options_.start_step) {
  std::size_t most = options_.views[0].bytes();
  for (const ViewsFrom& later : options_.later_views) most = std::max(most, later.views[0].bytes());
  batch_bytes_ = options_.views.size() * slice_.size() * most;
  depth_ = static_cast<int>(
      std::clamp<std::uint64_t>(options_.memory_bytes / std::max<std::uint64_t>(batch_bytes_, 1), 1, kMaxDepth));
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  }
}

BatchLoader::~BatchLoader() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();  // joins
}

void BatchLoader::work(const std::stop_token& stop) {
  Scratch scratch;
  std::unique_lock lock(mutex_);
  try {
    while (Slot* const slot = claim(lock, stop)) {
      const int begin = slot->next_row;
      const int end = std::min(begin + kRowsAtOnce, slot->batch.n);
      slot->next_row = end;
      lock.unlock();
      for (int row = begin; row < end && !stop.stop_requested(); ++row) fill_row(slot->batch, row, scratch);
      lock.lock();
      slot->rows_done += end - begin;
      counters_.read_s += scratch.counters.read_s;
      counters_.decode_s += scratch.counters.decode_s;
      counters_.augment_s += scratch.counters.augment_s;
      counters_.samples += static_cast<std::uint64_t>(end - begin);
      scratch.counters = {};
      if (slot->rows_done == slot->batch.n) batch_done_.notify_all();
    }
  } catch (...) {
    if (!lock.owns_lock()) lock.lock();
    if (!failure_) failure_ = std::current_exception();
    batch_done_.notify_all();
    work_or_stop_.notify_all();
  }
}

// The slot of the earliest step with a row that nobody has taken; null when it is time to end.
BatchLoader::Slot* BatchLoader::claim(std::unique_lock<std::mutex>& lock, const std::stop_token& stop) {
  while (!stop.stop_requested() && !failure_) {
    for (const auto& slot : ring_) {
      if (slot->next_row < slot->batch.n) return slot.get();
    }
    if (ring_.size() < static_cast<std::size_t>(depth_)) {
      open_slot();
      continue;
    }
    work_or_stop_.wait(lock, stop, [&] {
      return failure_ || ring_.size() < static_cast<std::size_t>(depth_) ||
             std::ranges::any_of(ring_, [](const auto& slot) { return slot->next_row < slot->batch.n; });
    });
  }
  return nullptr;
}

void BatchLoader::open_slot() {
  auto slot = std::make_unique<Slot>();
  if (!spare_.empty()) {
    slot->batch = std::move(spare_.back());
    spare_.pop_back();
  }
  Batch& batch = slot->batch;
  batch.step = next_step_++;
  batch.n = static_cast<int>(slice_.size());
  batch.image_size = views_at(batch.step)[0].size;
  batch.images.resize(batch_bytes_);
  batch.captions.resize(slice_.size());
  batch.ids.resize(slice_.size() * static_cast<std::size_t>(options_.context));
  batch.lengths.resize(options_.context > 0 ? slice_.size() : 0);
  batch.features.resize(slice_.size() * static_cast<std::size_t>(options_.feature_floats));
  batch.sample_ids.resize(slice_.size());
  batch.positions.resize(slice_.size());
  for (std::uint64_t row = 0; row < slice_.size(); ++row) {
    batch.positions[row] = static_cast<std::uint64_t>(batch.step) * options_.global_batch + slice_.begin + row;
  }
  ring_.push_back(std::move(slot));
  if (batch.n == 0) batch_done_.notify_all();
  work_or_stop_.notify_all();  // there are rows for the other threads, too
}

const std::vector<ViewSpec>& BatchLoader::views_at(std::int64_t step) const {
  const auto after = std::ranges::upper_bound(options_.later_views, step, {}, &ViewsFrom::step);
  return after == options_.later_views.begin() ? options_.views : std::prev(after)->views;
}

BatchLoader::Located BatchLoader::locate(std::uint64_t place) const {
  std::uint64_t before = 0;
  for (const LoaderSource& source : options_.sources) {
    const std::uint64_t count = samples_of(source);
    const std::uint64_t places = count * static_cast<std::uint64_t>(source.weight);
    if (place < places) {
      const std::uint64_t index = source.ids.empty() ? place % count : source.ids[place % count];
      return {source.set.get(), index, before + index};
    }
    place -= places;
    before += source.set->count();
  }
  throw internal_error("the plan names place {} after the last sample", place);
}

void BatchLoader::fill_row(Batch& batch, int row, Scratch& scratch) {
  const std::uint64_t position = batch.positions[static_cast<std::size_t>(row)];
  for (int attempt = 0; attempt <= kMaxReplacements; ++attempt) {
    // A bad sample gives its row to the one that stands here in the next epoch: any rank finds the same one.
    const std::uint64_t place = plan_.sample_at(position + static_cast<std::uint64_t>(attempt) * plan_.count());
    const Located located =
        options_.shuffle ? locate(place) : locate((place + static_cast<std::uint64_t>(attempt)) % plan_.count());
    try {
      make_views(batch, row, located, scratch);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::storage) throw;
      note_bad(located.sample_id, error.what());
      continue;
    }
    if (options_.feature_floats > 0) {  // a teacher's file that is damaged is no bad sample
      const auto floats = static_cast<std::size_t>(options_.feature_floats);
      options_.features(located.sample_id, scratch.caption,
                        std::span(batch.features).subspan(static_cast<std::size_t>(row) * floats, floats));
    }
    return;
  }
  throw storage_error(
      "row {} of the plan and its {} replacements cannot be read, the last because: {}; pack the set "
      "again",
      position, kMaxReplacements, bad_samples().back().reason);
}

void BatchLoader::make_views(Batch& batch, int row, const Located& located, Scratch& scratch) const {
  Timer timer;
  located.set->read_into(located.index, scratch.sample);
  scratch.counters.read_s += timer.seconds();

  timer.restart();
  RawSample& sample = scratch.sample;
  const bool raw = located.set->is_raw();
  Image& image = scratch.image;
  if (raw) {
    image = image_from_raw(std::move(sample.image), sample.width, sample.height, located.set->info().channels);
  } else {
    decode_stored_into(sample.image, options_.decode_size, image);
  }
  scratch.counters.decode_s += timer.seconds();

  timer.restart();
  const auto index = static_cast<std::size_t>(row);
  const std::uint64_t position = batch.positions[index];
  const std::vector<ViewSpec>& views = views_at(batch.step);
  const std::size_t view_bytes = views[0].bytes();
  for (std::size_t view = 0; view < views.size(); ++view) {
    RandomStream random(options_.seed, Purpose::augment, position, view);
    apply_view(image, views[view], random,
               std::span(batch.images).subspan((view * slice_.size() + index) * view_bytes, view_bytes));
  }
  const PickedCaption caption = pick_caption(sample.captions, options_.seed, position);
  scratch.caption = caption.number;
  batch.captions[index] = caption.text;
  if (options_.context > 0) {
    const auto context = static_cast<std::size_t>(options_.context);
    batch.lengths[index] =
        options_.encode(batch.captions[index], std::span(batch.ids).subspan(index * context, context));
  }
  batch.sample_ids[index] = located.sample_id;
  if (raw) sample.image = std::move(image.pixels);  // the buffer serves again
  scratch.counters.augment_s += timer.seconds();
}

void BatchLoader::note_bad(std::uint64_t sample_id, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  bad_.emplace(sample_id, reason);
  counters_.bad_samples = bad_.size();
  const auto read = static_cast<double>(counters_.samples);
  if (bad_.size() > options_.bad_samples_allowed &&
      static_cast<double>(bad_.size()) > options_.bad_share_allowed * read) {
    throw storage_error(
        "{} of the {} samples read so far are bad, the last because: {}; check the sets and repack them", bad_.size(),
        counters_.samples, reason);
  }
}

Batch BatchLoader::next() {
  const Timer timer;
  std::unique_lock lock(mutex_);
  const auto ready = [&] { return failure_ || (!ring_.empty() && ring_.front()->rows_done == ring_.front()->batch.n); };
  batch_done_.wait(lock, ready);
  counters_.wait_s += timer.seconds();
  if (failure_) std::rethrow_exception(failure_);
  Batch batch = std::move(ring_.front()->batch);
  ring_.pop_front();
  work_or_stop_.notify_all();
  return batch;
}

void BatchLoader::recycle(Batch&& batch) {
  const std::lock_guard lock(mutex_);
  if (spare_.size() < 2) spare_.push_back(std::move(batch));
}

LoaderCounters BatchLoader::counters() const {
  const std::lock_guard lock(mutex_);
  return counters_;
}

std::vector<BadSample> BatchLoader::bad_samples() const {
  const std::lock_guard lock(mutex_);
  std::vector<BadSample> all;
  for (const auto& [id, reason] : bad_) all.push_back({id, reason});
  return all;
}

}  // namespace clip_hpc
