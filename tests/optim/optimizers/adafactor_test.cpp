#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>

#include "tests/optim/mixed_arena.hpp"
#include "tests/optim/small_arena.hpp"

namespace clip_hpc {
namespace {

using test::mixed_arena;
using test::mixed_gradient;

// [matrices, rows, columns] of one tensor, each factored alone; none: it is not factored.
using Matrices = std::function<at::Tensor(const at::Tensor&)>;

const std::map<std::string, Matrices>& matrices() {
  static const std::map<std::string, Matrices> kMatrices{{"in_proj",
                                                          [](const at::Tensor& x) {
                                                            return x.view({6, 32, 48});
                                                          }},
                                                         {"out_proj",
                                                          [](const at::Tensor& x) {
                                                            return x.view({48, 2, 32}).permute({1, 0, 2});
                                                          }},
                                                         {"conv",
                                                          [](const at::Tensor& x) {
                                                            return x.view({40, 33, 9}).permute({2, 0, 1});
                                                          }},
                                                         {"mlp", [](const at::Tensor& x) {
                                                            return x.view({1, 70, 33});
                                                          }}};
  return kMatrices;
}

// From the second moments of all elements: what factoring leaves of them is linear, so it may come last.
at::Tensor factored(const at::Tensor& v, const ParameterArena& arena) {
  const at::Tensor result = v.clone();
  for (const ParameterSpec& spec : arena.specs()) {
    if (!matrices().contains(spec.name)) continue;
    const at::Tensor all = matrices().at(spec.name)(result.narrow(0, spec.offset, spec.numel));
    const at::Tensor rows = all.mean(2, true), columns = all.mean(1, true);
    all.copy_(rows * columns / rows.mean(1, true));
  }
  return result;
}

at::Tensor decays(const ParameterArena& arena) {  // [elements] fp64
  const at::Tensor result = at::zeros({arena.numel()}, at::kDouble);
  for (const ParameterSpec& spec : arena.specs()) result.narrow(0, spec.offset, spec.numel).fill_(spec.decay);
  return result;
}

OptimOptions adafactor_options() {
  OptimOptions options;
  options.name = "adafactor";
  options.lr = 1e-2;
  options.beta2 = 0.95;  // the cap: reached after 42 updates
  options.weight_decay = 1e-3;
  options.clip_norm = 2.0;
  return options;
}

// What the optimizer keeps of the first moment.
at::Tensor kept_moment(Updater& updater) {  // [elements] fp64
  return test::buffer(*updater.optimizer, "m_bf16_pairs")
      .view(at::kBFloat16)
      .narrow(0, 0, updater.arena.numel())
      .to(at::kDouble);
}

// The kept moment is the rounded one; the definition goes on with the optimizer's, since a value between two bf16 may
// be rounded to either.
TEST(Adafactor, TwoHundredStepsAreItsDefinition) {
  for (const at::ScalarType compute : {at::kFloat, at::kDouble, at::kBFloat16}) {
    ParameterArena arena = mixed_arena(compute);
    const OptimOptions options = adafactor_options();
    Updater updater(arena, options);
    const std::int64_t n = arena.numel();
    at::Tensor x = arena.master().to(at::kDouble).clone(), kept = at::zeros({n}, at::kDouble);
    at::Tensor v = at::zeros_like(kept);
    const at::Tensor decay = decays(arena);
    std::int64_t applied = 0, steps = compute == at::kFloat ? 200 : 50;
    for (std::int64_t t = 1; t <= steps; ++t) {
      const bool skipped = t == 1 || t % 50 == 7;
      arena.gradients().copy_(mixed_gradient(t, n));
      at::Tensor g = arena.gradients().to(at::kDouble).clone();
      if (skipped) arena.gradients()[t] = std::nan("");
      const double schedule = static_cast<double>(t) / 200;
      test::step(updater, options.lr * schedule);
      if (skipped) continue;
      g = g * std::min(1.0, 2.0 / (g.norm().item<double>() + 1e-6));
      const double beta2 = std::min(options.beta2, 1 - std::pow(static_cast<double>(++applied), -0.8));
      v = beta2 * v + (1 - beta2) * (g * g + 1e-30);
      const at::Tensor m = 0.9 * kept + 0.1 * g / factored(v, arena).sqrt();
      kept = kept_moment(updater);
      ASSERT_TRUE(((kept - m).abs() <= m.abs() * 0x1.01p-8 + 1e-7).all().item<bool>()) << compute << " " << t;
      x = x - options.lr * schedule * m - schedule * options.weight_decay * decay * x;
      ASSERT_LT((arena.master().to(at::kDouble) - x).abs().max().item<double>(), 1e-5) << compute << " " << t;
    }
    EXPECT_TRUE(at::equal(arena.weights(), arena.master().to(compute)));
    EXPECT_EQ(updater.counters.skipped.item<std::int64_t>(), steps - applied);
  }
}

// A fused projection of query, key and value is six matrices of its two heads: as if each were a tensor of its own.
TEST(Adafactor, HeadsAreFactoredAlone) {
  ParameterArena fused, apart;
  fused.factor_as(fused.declare("in_proj", {3 * 64, 48}, {}), {3, 2, 32, 48});
  for (int head = 0; head < 6; ++head) apart.declare(fmt::format("head_{}", head), {32, 48}, {});
  for (ParameterArena* arena : {&fused, &apart}) {
    arena->allocate(at::kFloat);
    Updater updater(*arena, adafactor_options());
    for (std::int64_t t = 1; t <= 5; ++t) {
      arena->gradients().copy_(mixed_gradient(t, arena->numel()));
      test::step(updater, 1e-2);
    }
  }
  EXPECT_TRUE(at::allclose(fused.master(), apart.master(), 1e-6, 1e-8));
  EXPECT_GT(fused.master().abs().max().item<float>(), 1e-3F);
}

TEST(Adafactor, ItsStateIsHalfAMomentAndRowsAndColumns) {
  ParameterArena arena = mixed_arena(at::kFloat);
  const std::int64_t rows_and_columns =
      6 * (32 + 48) + 2 * (48 + 32) + 9 * (40 + 33) + 40 * 3 * 64 + 41 + 70 + 33 + 40 * 5;
  EXPECT_EQ(Updater(arena, adafactor_options()).state_bytes(), (arena.numel() + 1) / 2 * 4 + rows_and_columns * 4);
}

// A part of a tensor needs what the other ranks have of it: optim/updater_mpi_test.cpp.
TEST(Adafactor, AMomentInPairsIsAPartOfThem) {
  std::int64_t at = 0;
  for (int part = 0; part < 3; ++part) {
    ParameterArena arena = mixed_arena(at::kFloat, {.part = part, .parts = 3});
    ASSERT_EQ(arena.numel() % 2, 1);
    const Updater updater(arena, adafactor_options());
    const NamedBuffer pairs = updater.optimizer->state().at(0);
    EXPECT_EQ(pairs.first, at);
    EXPECT_EQ(pairs.length(), (arena.numel() + 1) / 2);
    at += pairs.tensor.numel();
    EXPECT_FALSE(updater.optimizer->state().at(1).is_part());
  }
  EXPECT_EQ(at, (mixed_arena(at::kFloat).numel() + 1) / 2);
}

}  // namespace
}  // namespace clip_hpc
