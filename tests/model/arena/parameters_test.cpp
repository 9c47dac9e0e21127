#include "clip_hpc/model/arena/parameters.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

ParameterArena made(at::ScalarType type, ArenaShare share = {}) {
  ParameterArena arena;
  arena.declare("matrix", {50, 4}, {.initial = normal(0.5)});
  arena.declare("bias", {50}, {.decay = false});
  arena.declare("frozen", {10, 10}, {.initial = ones(), .frozen = true});
  arena.declare("head", {30}, {.decay = false, .initial = constant(3.5), .exported = false});
  arena.declare("scale", {}, {.decay = false, .initial = constant(2.0), .limits = Range{0.0, 4.5}});
  arena.declare_buffer("norm.running_mean", {7}, 0.0);
  arena.declare_buffer("norm.running_var", {7}, 1.0);
  arena.allocate(type, at::kCPU, share);
  arena.initialise("open_clip", 1);
  return arena;
}

TEST(ParameterArena, KeepsTheOrderOfDeclaration) {
  const ParameterArena arena = made(at::kFloat);
  EXPECT_EQ(arena.numel(), 200 + 50 + 30 + 1);
  EXPECT_EQ(arena.declared_numel(), 200 + 50 + 100 + 30 + 1);
  EXPECT_EQ(arena.specs()[2].name, "frozen");
  EXPECT_EQ(arena.specs()[3].offset, 250);
  EXPECT_EQ(arena.specs()[2].shape, (std::vector<std::int64_t>{10, 10}));
  EXPECT_TRUE(arena.specs()[0].decay);
  EXPECT_EQ(arena.specs()[4].numel, 1);
  ParameterArena closed = made(at::kFloat);
  EXPECT_THROW(closed.declare("late", {1}, {}), Error);
  EXPECT_THROW(closed.declare_buffer("late", {1}, 0), Error);
}

TEST(ParameterArena, BuffersAreFp32AndWholeOnEveryRank) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16, at::kDouble}) {
    for (const ArenaShare share : {ArenaShare{}, ArenaShare{1, 2}}) {
      ParameterArena arena = made(type, share);
      EXPECT_EQ(arena.buffers().numel(), 100 + 14);
      EXPECT_EQ(arena.buffer(2).scalar_type(), at::kFloat);
      EXPECT_TRUE(arena.buffer(2).eq(1).all().item<bool>());
      EXPECT_TRUE(arena.buffer(1).eq(0).all().item<bool>());
      arena.buffer(1).fill_(5);
      EXPECT_EQ(arena.buffers()[106].item<float>(), 5);
      EXPECT_EQ(arena.buffers()[107].item<float>(), 1);
      EXPECT_EQ(arena.buffer_specs()[2].offset, 107);
      EXPECT_EQ(arena.weights().numel(), arena.numel());  // no buffer among them
    }
  }
}

TEST(ParameterArena, FrozenParametersGetNoGradient) {
  ParameterArena arena = made(at::kFloat);
  EXPECT_FALSE(arena.parameter(2).requires_grad());
  (arena.parameter(0).sum() * arena.parameter(2).sum()).backward();
  EXPECT_TRUE(arena.gradient_view(0).eq(100).all().item<bool>());
  EXPECT_THROW(arena.gradient_view(2), Error);
  EXPECT_TRUE(arena.parameter(2).eq(1).all().item<bool>());
}

// What is frozen afterwards leaves the arena to the others: no gradient, no moments, no share of it.
TEST(ParameterArena, FreezingMovesAPartAmongTheBuffers) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    ParameterArena arena;
    arena.declare("a.stem", {10}, {});
    arena.begin_group();
    arena.declare("a.block", {20}, {});
    arena.begin_part();
    arena.declare("b.stem", {30}, {.initial = constant(1.0 / 3)});
    arena.begin_group();
    arena.declare("b.block", {40}, {.initial = constant(2.0)});
    arena.declare("b.scale", {}, {.limits = Range{0, 1}});
    EXPECT_EQ(arena.last_group(0), 1);
    EXPECT_EQ(arena.last_group(1), 1);
    arena.freeze([](const ParameterSpec& spec) { return spec.part == 0 || (spec.part == 1 && spec.group == 0); });
    arena.allocate(type);
    arena.initialise("open_clip", 1);
    EXPECT_EQ(arena.numel(), 41);
    EXPECT_EQ(arena.declared_numel(), 101);
    EXPECT_EQ(arena.gradients().numel(), 41);
    EXPECT_EQ(arena.limited()[0].offset, 40);
    std::vector<std::string> names;
    for (const ParameterSpec& spec : arena.trained()) names.push_back(spec.name);
    EXPECT_EQ(names, (std::vector<std::string>{"b.block", "b.scale"}));
    EXPECT_EQ(arena.parameter(2).scalar_type(), type);
    EXPECT_FALSE(arena.parameter(2).requires_grad());
    EXPECT_EQ(arena.master_view(2)[0].item<float>(), 1.0F / 3);  // not rounded
    arena.set_parameter(2, at::full({30}, 0.7F));
    EXPECT_EQ(arena.master_view(2)[0].item<float>(), 0.7F);
    EXPECT_NEAR(arena.parameter(2)[0].item<float>(), 0.7F, 0.003);
    EXPECT_EQ(arena.update_ranges().size(), 1U);
  }
}

TEST(ParameterArena, TellsWhatIsLimitedAndWhatIsExported) {
  const ParameterArena arena = made(at::kFloat);
  ASSERT_EQ(arena.limited().size(), 1U);
  EXPECT_EQ(arena.limited()[0].offset, 280);
  EXPECT_EQ(arena.limited()[0].numel, 1);
  EXPECT_EQ(arena.limited()[0].high, 4.5);
  std::vector<std::string> names;
  for (const NamedShape& one : arena.exported()) names.push_back(one.name);
  EXPECT_EQ(names,
            (std::vector<std::string>{"matrix", "bias", "scale", "frozen", "norm.running_mean", "norm.running_var"}));
}

TEST(ParameterArena, RangesOfOneKindAreOneAndEndAtTheShare) {
  const auto told = [](const ParameterArena& arena) {
    std::vector<std::int64_t> all;
    for (const UpdateRange& range : arena.update_ranges()) {
      all.insert(all.end(), {range.begin, range.end, range.decay ? 1 : 0});
    }
    return all;
  };
  EXPECT_EQ(told(made(at::kFloat)), (std::vector<std::int64_t>{0, 200, 1, 200, 281, 0}));
  EXPECT_EQ(told(made(at::kFloat, {1, 2})), (std::vector<std::int64_t>{192, 200, 1, 200, 281, 0}));
}

}  // namespace
}  // namespace clip_hpc
