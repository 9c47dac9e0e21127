#include "clip_hpc/bench/bench_load.hpp"

#include <turbojpeg.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/loading/loader.hpp"

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

// Calls `once(thread, count so far)` from all threads until the time is over. Returns the calls of all, and the time.
std::pair<std::uint64_t, double> count_calls(const LoadBenchOptions& options,
                                             const std::function<void(int, std::uint64_t)>& once) {
  std::atomic<std::uint64_t> total{0};
  const Timer timer;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < options.threads; ++t) {
      threads.emplace_back([&, t] {
        std::uint64_t done = 0;
        for (; timer.seconds() < options.seconds; ++done) once(t, done);
        total += done;
      });
    }
  }
  return {total.load(), timer.seconds()};
}

// Reads samples in random order and hands them to `use`.
LoadRate read_rate(const LoadBenchOptions& options, const std::string& name, double bytes_a_sample,
                   const std::function<void(RawSample&)>& use) {
  const PackedSet set(options.folder);
  std::vector<RawSample> samples(static_cast<std::size_t>(options.threads));
  std::vector<KeyedPermutation> orders;
  for (int t = 0; t < options.threads; ++t) {
    orders.emplace_back(set.count(), 1, Purpose::bench, static_cast<std::uint64_t>(t));
  }
  const auto [count, seconds] = count_calls(options, [&](int t, std::uint64_t i) {
    const auto thread = static_cast<std::size_t>(t);
    set.read_into(orders[thread](i % set.count()), samples[thread]);
    use(samples[thread]);
  });
  return rate_of(name, options.threads, count, seconds, static_cast<double>(count) * bytes_a_sample);
}

double bytes_a_sample(const std::filesystem::path& folder) {
  const PackedSet set(folder);
  double bytes = 0;
  for (const ShardInfo& shard : set.info().shards) bytes += static_cast<double>(shard.size_bytes);
  return bytes / static_cast<double>(set.count());
}

struct TurboHandle {
  void operator()(void* handle) const { tjDestroy(handle); }
};

}  // namespace

ScratchSet::ScratchSet(const LoadBenchOptions& options, int side_pixels) : folder_(options.folder) {
  if (std::filesystem::exists(folder_)) throw input_error("{} exists: give a new folder to bench in", folder_.native());
  make_set(options, side_pixels, false);
}

ScratchSet::~ScratchSet() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

LoadRate bench_raw_read(const LoadBenchOptions& options) {
  const ScratchFolder scratch(options.folder);
  make_set(options, 64, true);
  return read_rate(options, "raw_read_64", 64 * 64 * 3, [](RawSample&) {});
}

LoadRate bench_jpeg_read(const LoadBenchOptions& options, int side_pixels) {
  const ScratchSet scratch(options, side_pixels);
  return read_rate(options, "jpeg_read_" + std::to_string(side_pixels), bytes_a_sample(options.folder),
                   [](RawSample& sample) {
                     thread_local Image image;
                     decode_stored_into(sample.image, 0, image);
                   });
}

LoadRate bench_turbojpeg(const LoadBenchOptions& options, int side_pixels) {
  std::vector<std::vector<std::uint8_t>> files;
  double bytes = 0;
  for (std::uint64_t i = 0; i < 64; ++i) {  // the pictures that make_set packs
    files.push_back(encode_jpeg(make_picture(side_pixels, 3, i), 90));
    bytes += static_cast<double>(files.back().size());
  }
  const auto n_threads = static_cast<std::size_t>(options.threads);
  std::vector<std::unique_ptr<void, TurboHandle>> handles;
  for (std::size_t t = 0; t < n_threads; ++t) handles.emplace_back(tjInitDecompress());
  std::vector<std::vector<std::uint8_t>> out(
      n_threads,
      std::vector<std::uint8_t>(static_cast<std::size_t>(side_pixels) * static_cast<std::size_t>(side_pixels) * 3));
  const auto [count, seconds] = count_calls(options, [&](int t, std::uint64_t i) {
    const auto thread = static_cast<std::size_t>(t);
    const std::vector<std::uint8_t>& file = files[i % files.size()];
    if (tjDecompress2(handles[thread].get(), file.data(), file.size(), out[thread].data(), side_pixels, 0, side_pixels,
                      TJPF_RGB, TJFLAG_ACCURATEDCT) != 0) {  // the DCT that Pillow uses, too
      throw internal_error("TurboJPEG cannot read its own picture: {}", tjGetErrorStr2(handles[thread].get()));
    }
  });
  return rate_of("turbojpeg_" + std::to_string(side_pixels), options.threads, count, seconds,
                 static_cast<double>(count) * bytes / static_cast<double>(files.size()));
}

LoadRate bench_jpeg_batches(const LoadBenchOptions& options, int side_pixels, int view_size) {
  const ScratchSet scratch(options, side_pixels);
  LoaderOptions loader_options;
  loader_options.sources.push_back({std::make_shared<PackedSet>(options.folder), 1, {}});
  loader_options.views = {parse_view("crop", view_size)};
  loader_options.global_batch = 64;
  loader_options.workers = options.threads;
  BatchLoader loader(std::move(loader_options));
  loader.recycle(loader.next());
  const std::uint64_t before = loader.counters().samples;
  const Timer timer;
  while (timer.seconds() < options.seconds) loader.recycle(loader.next());
  const std::uint64_t samples = loader.counters().samples - before;
  return rate_of("jpeg_batches_" + std::to_string(side_pixels), options.threads, samples, timer.seconds(),
                 static_cast<double>(samples) * bytes_a_sample(options.folder));
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
