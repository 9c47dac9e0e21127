// What ranks share of an arena whose master lies on all of them.
#include "clip_hpc/model/arena/parameters.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

TEST(SharedArena, ParametersInFp32AreTheMastersOnEveryRank) {
  const int ranks = test_world().size();
  const auto comm = make_mpi_communicator(test_world());
  ParameterArena arena;
  arena.declare("matrix", {100, 9}, {.initial = normal(0.5)});
  const std::size_t bias = arena.declare("bias", {}, {.initial = constant(-12.93), .in_fp32 = true});
  const std::size_t scale = arena.declare("scale", {}, {.initial = constant(std::log(100.0)), .in_fp32 = true});
  arena.allocate(at::kBFloat16, at::kCPU, {test_world().rank(), ranks});
  arena.initialise("open_clip", 1);
  const auto expect = [&](double scale_is, double bias_is) {
    EXPECT_NEAR(arena.exact(scale).item<double>(), scale_is, 1e-6);
    EXPECT_NEAR(arena.exact(bias).item<double>(), bias_is, 1e-5);
  };
  expect(std::log(100.0), -12.93);
  arena.master().sub_(1e-4);  // an update, on the rank that holds each element
  arena.refresh_weights();
  arena.gather_weights(*comm);
  expect(std::log(100.0) - 1e-4, -12.93 - 1e-4);
  arena.exact(scale).exp().backward();
  EXPECT_NEAR(arena.gradient_view(scale).item<double>(), 100.0, 0.5);
}

}  // namespace
}  // namespace clip_hpc
