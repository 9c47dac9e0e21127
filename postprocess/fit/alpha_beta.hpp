// The cost of collectives: time = rounds x alpha + bytes on a link x beta, with links between nodes and within a node
// told apart where both were measured. How rounds and bytes grow with the ranks is the algorithm's shape; the one that
// fits best is taken.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

enum class Shape {
  ring,     // ranks - 1 rounds a way, the bandwidth's optimum
  halving,  // recursive halving and doubling: log2(ranks) rounds, the same bytes; more where no power of two
  tree,     // log2(ranks) rounds, each with all bytes
};
const char* name_of(Shape shape);

struct LinkSample {
  int ranks = 1, nodes = 1;
  double bytes = 0;  // of the larger of the two buffers
  double time_s = 0;
};

struct Link {
  double alpha_s = 0, beta_s_per_byte = 0;
  bool is_measured = false;
};

struct AlphaBeta {
  double ways = 2;  // all-reduce: 2 (reduce, and spread); all-gather, reduce-scatter: 1
  Shape shape = Shape::ring;
  Link between, within;  // nodes, a node
  double rms = 0;        // of predicted / measured - 1
  std::size_t samples = 0;
  double operator()(int ranks, int nodes, double bytes) const;
};

// Coefficients of between.alpha, between.beta, within.alpha, within.beta.
std::array<double, 4> link_costs(Shape shape, double ways, int ranks, int nodes, double bytes);

// Least squares of relative residuals, those above 10 % counted linearly (Huber), no term below 0. Nothing, with the
// reason in `why`, when there are fewer than 3 samples of more than one rank, or all of one size.
std::optional<AlphaBeta> fit_alpha_beta(double ways, std::span<const LinkSample> samples, std::string& why);

}  // namespace clip_hpc
