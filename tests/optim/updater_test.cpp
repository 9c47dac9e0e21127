#include "clip_hpc/optim/updater.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "optim/update_ranges.hpp"
#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

using test::gradient_of_step;
using test::small_arena;

TEST(Updater, LogitScaleStaysBelowHundred) {
  for (const OptimizerKind& kind : optimizers()) {
    ParameterArena arena = small_arena(at::kBFloat16);
    OptimOptions options;
    options.name = kind.name;
    options.lr = 1.0;
    Updater updater(arena, options);
    for (int i = 0; i < 20; ++i) {
      arena.gradients().fill_(-1.0);
      test::step(updater, 1.0);
    }
    EXPECT_EQ(arena.master()[arena.numel() - 1].item<float>(), static_cast<float>(std::log(100.0))) << kind.name;
    EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(at::kBFloat16))) << kind.name;
  }
}

// open_clip's script decays whatever has two axes, position embeddings among it: here that is asked for.
TEST(Updater, PositionEmbeddingsAreDecayedWhereAsked) {
  for (const bool on : {false, true}) {
    ParameterArena arena;
    arena.declare("matrix", {4, 4}, {});
    arena.declare("positional_embedding", {6, 4}, {.decay = false, .position = true});
    arena.declare("bias", {4}, {.decay = false});
    arena.allocate(at::kFloat);
    arena.master().fill_(1);
    OptimOptions options;
    options.weight_decay = 0.5;
    options.decay_positions = on;
    Updater updater(arena, options);
    arena.gradients().zero_();
    test::step(updater, 0.1);
    EXPECT_FLOAT_EQ(arena.master()[0].item<float>(), 0.95F);
    EXPECT_FLOAT_EQ(arena.master()[16].item<float>(), on ? 0.95F : 1.0F);
    EXPECT_FLOAT_EQ(arena.master()[40].item<float>(), 1.0F);
  }
}

// The average of the clamped weights, with the decay growing to its full value in the first updates.
TEST(Updater, TheAverageFollowsTheWeights) {
  for (const at::ScalarType compute : {at::kFloat, at::kBFloat16}) {
    ParameterArena arena = small_arena(compute);
    OptimOptions options;
    options.ema = 0.8;
    Updater updater(arena, options);
    at::Tensor expected = arena.master().to(at::kDouble).clone();
    for (std::int64_t t = 1; t <= 60; ++t) {
      arena.gradients().copy_(gradient_of_step(t, arena.numel()));
      arena.gradients()[arena.numel() - 1] = -3.0;  // the scale is clamped in the end
      test::step(updater, 0.1);
      const double decay = std::min(0.8, (1.0 + static_cast<double>(t)) / (10.0 + static_cast<double>(t)));
      expected = decay * expected + (1 - decay) * arena.master().to(at::kDouble);
      ASSERT_LT((updater.average.weights().to(at::kDouble) - expected).abs().max().item<double>(), 2e-6) << t;
    }
    EXPECT_FLOAT_EQ(arena.master()[arena.numel() - 1].item<float>(), static_cast<float>(std::log(100.0)));
    const at::Tensor average = updater.average.weights().clone();
    arena.gradients()[0] = std::nan("");
    test::step(updater, 0.1);
    EXPECT_TRUE(at::equal(updater.average.weights(), average)) << "it stays in a step that is skipped";
  }
}

TEST(Updater, TheModelComputesWithTheAverageAndBack) {
  ParameterArena arena = small_arena(at::kBFloat16);
  OptimOptions options;
  options.ema = 0.5;
  Updater updater(arena, options);
  const at::Tensor first = arena.master().clone();
  arena.gradients().fill_(1.0);
  test::step(updater, 0.1);
  const at::Tensor trained = arena.master().clone(), average = updater.average.weights().clone();
  EXPECT_FALSE(at::equal(trained, average));
  updater.average.exchange(*make_self_communicator());
  EXPECT_TRUE(at::equal(arena.master(), average));
  EXPECT_TRUE(at::equal(arena.weights(), average.to(at::kBFloat16)));
  updater.average.exchange(*make_self_communicator());
  EXPECT_TRUE(at::equal(arena.master(), trained));
  EXPECT_TRUE(at::equal(updater.average.weights(), average));
  updater.average.restart();
  EXPECT_TRUE(at::equal(updater.average.weights(), trained));
}

TEST(Updater, StepsAreCounted) {
  UpdateCounters counters(at::kCPU);
  for (const double norm : {1.0, std::nan(""), HUGE_VAL, 0.0, std::nan("")})
    counters.count(at::scalar_tensor(norm, at::kDouble));
  EXPECT_EQ(counters.applied.item<std::int64_t>(), 2);
  EXPECT_EQ(counters.skipped.item<std::int64_t>(), 3);
  EXPECT_EQ(counters.skipped_in_a_row.item<std::int64_t>(), 1);
}

// Of those that treat tensors as a whole: updater_mpi_test.cpp.
TEST(Updater, ASharedStateStepsAsTheWhole) {
  for (const char* const name : {"adamw", "lion", "sgd"}) {
    OptimOptions options;
    options.name = name;
    options.clip_norm = 0;  // the norm here is that of a part
    options.ema = 0.5;
    for (int part = 0; part < 3; ++part) {
      ParameterArena whole = small_arena(at::kFloat);
      Updater all(whole, options);
      ParameterArena arena = small_arena(at::kFloat, {.part = part, .parts = 3});
      Updater own(arena, options);
      for (std::int64_t t = 1; t <= 5; ++t) {
        for (ParameterArena* one : {&whole, &arena}) one->gradients().copy_(gradient_of_step(t, whole.numel()));
        test::step(all, 0.1);
        own.step(gradient_norm(whole, *make_self_communicator()), at::scalar_tensor(0.1, at::kDouble),
                 *make_self_communicator());
      }
      const ArenaSlice held = arena.held();
      EXPECT_TRUE(at::equal(arena.master(), whole.master().narrow(0, held.begin, held.size()))) << name << part;
      EXPECT_TRUE(at::equal(own.average.weights(), all.average.weights().narrow(0, held.begin, held.size())))
          << name << part;
    }
  }
}

TEST(UpdateRanges, TheyCoverTheArenaOnce) {
  const ParameterArena arena = small_arena(at::kFloat);
  const auto ranges = arena.update_ranges();
  ASSERT_EQ(ranges.size(), 2U);
  EXPECT_EQ(ranges[0].end, test::kDecayed);
  EXPECT_TRUE(ranges[0].decay);
  EXPECT_EQ(ranges[1].end, arena.numel());
  const at::Tensor table = range_table(arena, {{3, 50, true}, {50, 55, true, 0.25}, {60, 100, false}});  // [ranges, 2]
  const std::vector<std::int64_t> ends{3, 50, 55, 60, 100, 208}, kinds{2, 1, 1, 2, 0, 2};
  ASSERT_EQ(table.size(0), std::ssize(ends));
  for (std::size_t i = 0; i < ends.size(); ++i) {
    const at::Tensor row = table[static_cast<std::int64_t>(i)];
    EXPECT_EQ(row[0].item<std::int64_t>(), ends[i]);
    EXPECT_EQ(range_kind(row[1].item<std::int64_t>()), kinds[i]);
    EXPECT_EQ(range_lr_scale(row[1].item<std::int64_t>()), i == 2 ? 0.25F : 1.0F);
  }
}

// A group that learns at half the rate moves as the whole does at half the rate.
TEST(Updater, LayersLearnSlowerTowardsTheStem) {
  for (const OptimizerKind& kind : optimizers()) {
    const auto stepped = [&](double lr, double layer_decay) {
      ParameterArena arena;
      arena.begin_part();
      arena.declare("stem", {70}, {.initial = normal(1.0)});
      arena.begin_group();
      arena.declare("block", {70}, {.initial = normal(1.0)});
      arena.begin_group();
      arena.declare("head", {70}, {.decay = false, .initial = normal(1.0)});
      arena.allocate(at::kFloat);
      arena.initialise("open_clip", 3);
      Updater updater(arena, {.name = kind.name, .layer_decay = layer_decay, .clip_norm = 0});
      arena.gradients().copy_(at::linspace(-1, 1, 210));
      test::step(updater, lr);
      return arena.master().clone();
    };
    const at::Tensor found = stepped(0.1, 0.5), whole = stepped(0.1, 1), half = stepped(0.05, 1),
                     quarter = stepped(0.025, 1);
    EXPECT_TRUE(at::equal(found.slice(0, 140), whole.slice(0, 140))) << kind.name;
    EXPECT_TRUE(at::allclose(found.slice(0, 70, 140), half.slice(0, 70, 140), 1e-6, 1e-7)) << kind.name;
    EXPECT_TRUE(at::allclose(found.slice(0, 0, 70), quarter.slice(0, 0, 70), 1e-6, 1e-7)) << kind.name;
    EXPECT_FALSE(at::allclose(found.slice(0, 0, 70), whole.slice(0, 0, 70), 1e-4, 1e-4)) << kind.name;
  }
}

}  // namespace
}  // namespace clip_hpc
