// How fast this machine feeds a rank: reading alone, and whole batches. The sets are made on the spot.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace clip_hpc {

struct LoadBenchOptions {
  std::filesystem::path folder;  // where the sets are written; must not exist, is removed afterwards
  std::uint64_t samples = 4096;
  int threads = 1;
  double seconds = 1;  // time of one measurement
};

struct LoadRate {
  std::string name;
  int threads = 1;
  std::uint64_t samples = 0;
  double seconds = 0;
  double samples_per_s = 0;
  double mib_per_s = 0;  // stored bytes
};

// A packed set of JPEG pictures, made in options.folder and removed in the end.
class ScratchSet {
 public:
  explicit ScratchSet(const LoadBenchOptions& options, int side_pixels = 256);
  ~ScratchSet();
  ScratchSet(const ScratchSet&) = delete;
  ScratchSet& operator=(const ScratchSet&) = delete;

 private:
  std::filesystem::path folder_;
};

LoadRate bench_raw_read(const LoadBenchOptions& options);  // 64 x 64 x 3 raw, page cache
// Random samples read and decoded, nothing else; and the same pictures in memory through TurboJPEG alone, one handle
// and one output buffer a thread, as tjbench does it: the limit of the former.
LoadRate bench_jpeg_read(const LoadBenchOptions& options, int side_pixels = 256);
LoadRate bench_turbojpeg(const LoadBenchOptions& options, int side_pixels = 256);
LoadRate bench_jpeg_batches(const LoadBenchOptions& options, int side_pixels = 256, int view_size = 224);
LoadRate bench_view(const std::string& view, int source_side, int source_channels, int size, double seconds);

}  // namespace clip_hpc
