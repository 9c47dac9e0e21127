#include "clip_hpc/base/random.hpp"

#include <cmath>
#include <numbers>

namespace clip_hpc {
namespace {

std::uint64_t mix64(std::uint64_t x) {  // finaliser of splitmix64
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

std::array<std::uint32_t, 2> make_key(std::uint64_t seed, Purpose purpose) {
  const std::uint64_t key = mix64(seed ^ (static_cast<std::uint64_t>(purpose) << 56));
  return {static_cast<std::uint32_t>(key), static_cast<std::uint32_t>(key >> 32)};
}

}  // namespace

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(product1),
               static_cast<std::uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(product0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

std::uint64_t keyed_hash(std::uint64_t seed, Purpose purpose, std::uint64_t a, std::uint64_t b) {
  const auto out = philox4x32({static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(a >> 32),
                               static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(b >> 32)},
                              make_key(seed, purpose));
  return (static_cast<std::uint64_t>(out[1]) << 32) | out[0];
}

RandomStream::RandomStream(std::uint64_t seed, Purpose purpose, std::uint64_t step, std::uint64_t sample)
    : key_(make_key(seed, purpose)) {
  // The low word counts blocks; the address fills the other 96 bits.
  const std::uint64_t address = mix64(step) ^ mix64(sample + 0x632be59bd9b4e019ULL);
  counter_ = {0, static_cast<std::uint32_t>(address), static_cast<std::uint32_t>(address >> 32),
              static_cast<std::uint32_t>(mix64(step * 0x9e3779b97f4a7c15ULL + sample))};
}

std::uint32_t RandomStream::next_u32() {
  if (used_ == 4) {
    block_ = philox4x32(counter_, key_);
    ++counter_[0];
    used_ = 0;
  }
  return block_[static_cast<std::size_t>(used_++)];
}

double RandomStream::uniform() {
  const std::uint64_t high = next_u32();
  const std::uint64_t bits = (high << 21) ^ (next_u32() >> 11);
  return static_cast<double>(bits) * 0x1.0p-53;
}

double RandomStream::uniform(double low, double high) { return low + (high - low) * uniform(); }

double RandomStream::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::uint32_t RandomStream::below(std::uint32_t bound) {
  return static_cast<std::uint32_t>((std::uint64_t{next_u32()} * bound) >> 32);
}

KeyedPermutation::KeyedPermutation(std::uint64_t size, std::uint64_t seed, Purpose purpose, std::uint64_t stream)
    : size_(size), half_bits_(1), key_(make_key(mix64(seed) + stream, purpose)) {
  while (half_bits_ < 32 && (std::uint64_t{1} << (2 * half_bits_)) < size) ++half_bits_;
}

std::uint64_t KeyedPermutation::operator()(std::uint64_t index) const {
  const std::uint64_t mask = (std::uint64_t{1} << half_bits_) - 1;
  do {  // the domain is at most 4 times the size, so the walk takes 4 rounds at most on average
    std::uint64_t left = index >> half_bits_;
    std::uint64_t right = index & mask;
    for (std::uint32_t round = 0; round < 6; ++round) {
      const std::uint64_t f = mix64((right ^ (std::uint64_t{key_[0]} << 32 | key_[1])) + round * 0xd1342543de82ef95ULL);
      const std::uint64_t next = left ^ (f & mask);
      left = right;
      right = next;
    }
    index = (left << half_bits_) | right;
  } while (index >= size_);
  return index;
}

}  // namespace clip_hpc
