#include "clip_hpc/data/bench_load.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/data/decode.hpp"
#include "clip_hpc/data/loader.hpp"

namespace clip_hpc {
namespace {

class ScratchFolder {
 public:
  explicit ScratchFolder(std::filesystem::path path) : path_(std::move(path)) {
    if (std::filesystem::exists(path_)) throw input_error("{} exists: give a new folder to bench in", path_.native());
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::filesystem::path path_;
};

// Smooth shapes with a little noise: compresses about as well as a photograph.
Image make_picture(int side, int channels, std::uint64_t seed) {
  RandomStream random(seed, Purpose::bench, 0);
  Image image{side, side, channels, {}};
  const double a = random.uniform(1, 9), b = random.uniform(1, 9);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side * channels; ++x) {
      const double value = 128 + 60 * (a * x / side - static_cast<int>(a * x / side)) - 8 * b * y / side;
      image.pixels.push_back(static_cast<std::uint8_t>(value + random.below(16)));
    }
  }
  return image;
}

void make_set(const LoadBenchOptions& options, int side, bool raw) {
  DatasetInfo info;
  info.name = "bench";
  info.encoding = raw ? "raw" : "mixed";
  SetWriter writer(options.folder, info);
  for (std::uint64_t i = 0; i < options.samples; ++i) {
    Image image = make_picture(side, 3, i % 64);
    PackedSample sample;
    sample.image = raw ? std::move(image.pixels) : encode_jpeg(image, 90);
    sample.captions = "a bench picture";
    sample.width = sample.height = static_cast<std::uint32_t>(side);
    sample.uid = {0, i};
    writer.add(sample);
  }
  writer.finish();
}

LoadRate rate_of(std::string name, int threads, std::uint64_t samples, double seconds, double bytes) {
  return {
      std::move(name), threads, samples, seconds, static_cast<double>(samples) / seconds, bytes / seconds / (1 << 20)};
}

}  // namespace

LoadRate bench_raw_read(const LoadBenchOptions& options) {
  const ScratchFolder scratch(options.folder);
  make_set(options, 64, true);
  const PackedSet set(options.folder);
  std::atomic<std::uint64_t> total{0};
  const Timer timer;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < options.threads; ++t) {
      threads.emplace_back([&, t] {
        RawSample sample;
        std::uint64_t done = 0;
        const KeyedPermutation order(set.count(), 1, Purpose::bench, static_cast<std::uint64_t>(t));
        for (; timer.seconds() < options.seconds; ++done) set.read_into(order(done % set.count()), sample);
        total += done;
      });
    }
  }
  return rate_of("raw_read_64", options.threads, total, timer.seconds(), static_cast<double>(total) * 64 * 64 * 3);
}

LoadRate bench_jpeg_batches(const LoadBenchOptions& options, int side_pixels, int view_size) {
  const ScratchFolder scratch(options.folder);
  make_set(options, side_pixels, false);
  LoaderOptions loader_options;
  loader_options.sources.push_back({std::make_shared<PackedSet>(options.folder), 1, {}});
  loader_options.views = {parse_view("crop", view_size)};
  loader_options.global_batch = 64;
  loader_options.workers = options.threads;
  const auto& info = loader_options.sources[0].set->info();
  double bytes_a_sample = 0;
  for (const ShardInfo& shard : info.shards) bytes_a_sample += static_cast<double>(shard.size_bytes);
  bytes_a_sample /= static_cast<double>(info.count);
  BatchLoader loader(std::move(loader_options));
  loader.recycle(loader.next());
  const std::uint64_t before = loader.counters().samples;
  const Timer timer;
  while (timer.seconds() < options.seconds) loader.recycle(loader.next());
  const std::uint64_t samples = loader.counters().samples - before;
  return rate_of("jpeg_batches_" + std::to_string(side_pixels), options.threads, samples, timer.seconds(),
                 static_cast<double>(samples) * bytes_a_sample);
}

LoadRate bench_view(const std::string& view, int source_side, int source_channels, int size, double seconds) {
  const Image image = make_picture(source_side, source_channels, 1);
  const ViewSpec spec = parse_view(view, size);
  std::vector<std::uint8_t> out(spec.bytes());
  std::uint64_t done = 0;
  const Timer timer;
  for (; timer.seconds() < seconds; ++done) {
    RandomStream random(1, Purpose::bench, done);
    apply_view(image, spec, random, out);
  }
  return rate_of("view_" + view, 1, done, timer.seconds(), static_cast<double>(done) * static_cast<double>(out.size()));
}

}  // namespace clip_hpc
