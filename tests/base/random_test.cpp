#include "clip_hpc/base/random.hpp"

#include <gtest/gtest.h>

#include <set>

namespace clip_hpc {

TEST(Philox, KnownAnswers) {  // Random123's kat_vectors, philox4x32 with 10 rounds
  const std::array<std::uint32_t, 4> zeros{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), zeros);
  const std::array<std::uint32_t, 4> ones{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd};
  const std::uint32_t all = 0xffffffff;
  EXPECT_EQ(philox4x32({all, all, all, all}, {all, all}), ones);
}

TEST(RandomStream, IsAFunctionOfItsAddress) {
  RandomStream first(1, Purpose::augment, 7, 9);
  RandomStream again(1, Purpose::augment, 7, 9);
  RandomStream other(1, Purpose::augment, 9, 7);
  const std::uint32_t value = first.next_u32();
  EXPECT_EQ(value, again.next_u32());
  EXPECT_NE(value, other.next_u32());
}

TEST(RandomStream, MomentsOfUniformAndNormal) {
  RandomStream stream(3, Purpose::test, 0);
  double uniform_sum = 0, normal_sum = 0, normal_squares = 0;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    uniform_sum += stream.uniform();
    const double x = stream.normal();
    normal_sum += x;
    normal_squares += x * x;
  }
  EXPECT_NEAR(uniform_sum / kDraws, 0.5, 0.005);
  EXPECT_NEAR(normal_sum / kDraws, 0.0, 0.01);
  EXPECT_NEAR(normal_squares / kDraws, 1.0, 0.02);
}

TEST(KeyedPermutation, IsABijectionForEverySize) {
  for (const std::uint64_t size : {1, 2, 3, 255, 256, 257, 10007}) {
    const KeyedPermutation permutation(size, 5, Purpose::shuffle, 2);
    std::set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < size; ++i) seen.insert(permutation(i));
    EXPECT_EQ(seen.size(), size);
    EXPECT_LT(*seen.rbegin(), size);
  }
}

TEST(KeyedPermutation, StreamsDiffer) {
  const KeyedPermutation a(1000, 5, Purpose::shuffle, 0);
  const KeyedPermutation b(1000, 5, Purpose::shuffle, 1);
  int equal = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) equal += a(i) == b(i);
  EXPECT_LT(equal, 20);
}

}  // namespace clip_hpc
