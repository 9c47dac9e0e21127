// Counter-based random numbers: a draw is a pure function of (seed, purpose, a, b, n), so it does not depend on the
// number of ranks, on threads, or on what was drawn before. Philox 4x32-10 (Salmon et al., SC 2011).
#pragma once

#include <array>
#include <cstdint>

namespace clip_hpc {

// One constant per use of randomness. Values are written into checkpoints' behaviour: never renumber.
enum class Purpose : std::uint32_t {
  init = 1,        // weights
  shuffle = 2,     // order of samples
  augment = 3,     // image views
  caption = 4,     // which caption of a sample
  token_keep = 5,  // FLIP's kept patches
  subset = 6,      // nested subsets
  pack = 7,        // order and captions of the embedded sets
  bench = 8,
  test = 9,
  fewshot = 10,        // which samples of a class
  probe = 11,          // which samples of a class choose the hyper-parameter
  bootstrap = 12,      // residuals of a fit
  branch_keep = 13,    // stochastic depth
  text_keep = 14,      // tokens of a caption that stay
  swap_captions = 15,  // which samples of a set get another's caption, and whose
};

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

// 64 well-mixed bits of (seed, purpose, a, b).
std::uint64_t keyed_hash(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b = 0);

// A stream of draws addressed by (seed, purpose, step, sample); cheap to make, nothing to save or restore.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t step, std::uint64_t sample = 0);
  std::uint32_t next_u32();
  double uniform();                          // [0, 1)
  double uniform(double low, double high);   // [low, high)
  double normal();                           // mean 0, variance 1 (Box-Muller)
  std::uint32_t below(std::uint32_t bound);  // 0 .. bound-1, unbiased to 2^-32; bound > 0
  bool chance(double probability) { return uniform() < probability; }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  int used_ = 4;
};

// A bijection of [0, size) chosen by (seed, purpose, stream): O(1) memory shuffle (Feistel network with cycle walking).
class KeyedPermutation {
 public:
  KeyedPermutation(std::uint64_t size, std::uint64_t seed, Purpose purpose, std::uint64_t stream);
  std::uint64_t operator()(std::uint64_t index) const;  // index < size
  std::uint64_t size() const { return size_; }

 private:
  std::uint64_t size_;
  int half_bits_;
  std::array<std::uint32_t, 2> key_;
};

}  // namespace clip_hpc
