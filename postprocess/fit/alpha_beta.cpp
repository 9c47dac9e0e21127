#include "postprocess/fit/alpha_beta.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace clip_hpc {
namespace {

using Four = std::array<double, 4>;
constexpr double kLinearFrom = 0.10;  // relative residual
constexpr int kReweightings = 12;

double rounds_of(int ranks) { return ranks > 1 ? std::ceil(std::log2(static_cast<double>(ranks))) : 0; }
// Halving and doubling pairs ranks: where they are no power of two, some first hand all they have to a neighbour, and
// get the result from it in the end.
double folds_of(int ranks) { return (ranks & (ranks - 1)) == 0 ? 0 : 1; }
double others_of(int ranks) { return (ranks - 1) / static_cast<double>(ranks); }

double dot(const Four& costs, const Four& terms) {
  double sum = 0;
  for (std::size_t i = 0; i < 4; ++i) sum += costs[i] * terms[i];
  return sum;
}

// Solves for the terms in `active` alone; false where their columns say the same.
bool solve(const std::array<Four, 4>& matrix, const Four& right, unsigned active, Four& terms) {
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < 4; ++i) {
    if ((active >> i & 1U) != 0) at.push_back(i);
  }
  std::array<std::array<double, 5>, 4> rows{};
  for (std::size_t r = 0; r < at.size(); ++r) {
    for (std::size_t c = 0; c < at.size(); ++c) rows[r][c] = matrix[at[r]][at[c]];
    rows[r][at.size()] = right[at[r]];
  }
  terms = {};
  for (std::size_t p = 0; p < at.size(); ++p) {
    std::size_t best = p;
    for (std::size_t r = p; r < at.size(); ++r) {
      if (std::abs(rows[r][p]) > std::abs(rows[best][p])) best = r;
    }
    std::swap(rows[p], rows[best]);
    if (std::abs(rows[p][p]) < 1e-12 * matrix[at[p]][at[p]] || rows[p][p] == 0) return false;
    for (std::size_t r = 0; r < at.size(); ++r) {
      if (r == p) continue;
      const double factor = rows[r][p] / rows[p][p];
      for (std::size_t c = p; c <= at.size(); ++c) rows[r][c] -= factor * rows[p][c];
    }
  }
  for (std::size_t p = 0; p < at.size(); ++p) terms[at[p]] = rows[p][at.size()] / rows[p][p];
  return true;
}

struct Row {
  Four costs;  // over the measured time: a residual is relative
  double weight = 1;
};

// Minimum of the weighted squares of 1 - costs . terms with no term below 0: of all sets of terms the best allowed one.
Four non_negative_fit(const std::vector<Row>& rows) {
  std::array<Four, 4> matrix{};
  Four right{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < 4; ++i) {
      right[i] += row.weight * row.costs[i];
      for (std::size_t j = 0; j < 4; ++j) matrix[i][j] += row.weight * row.costs[i] * row.costs[j];
    }
  }
  Four best{};
  double least = std::numeric_limits<double>::infinity();
  for (unsigned active = 1; active < 16; ++active) {
    Four terms{};
    if (!solve(matrix, right, active, terms) || std::ranges::any_of(terms, [](double t) { return t < 0; })) continue;
    double squares = 0;
    for (const Row& row : rows) squares += row.weight * std::pow(1 - dot(row.costs, terms), 2);
    if (squares < least * (1 - 1e-12)) {
      least = squares;
      best = terms;
    }
  }
  return best;
}

double huber(double residual) {
  const double size = std::abs(residual);
  return size <= kLinearFrom ? size * size / 2 : kLinearFrom * (size - kLinearFrom / 2);
}

}  // namespace

const char* name_of(Shape shape) {
  switch (shape) {
    case Shape::ring:
      return "ring";
    case Shape::halving:
      return "halving and doubling";
    case Shape::tree:
      return "tree";
  }
  return "";
}

std::array<double, 4> link_costs(Shape shape, double ways, int ranks, int nodes, double bytes) {
  if (ranks <= 1) return {};
  nodes = std::clamp(nodes, 1, ranks);
  const int in_node = (ranks + nodes - 1) / nodes;
  switch (shape) {
    case Shape::ring: {  // all links at once: the slow ones count
      const double rounds = ways * (ranks - 1), on_link = ways * others_of(ranks) * bytes;
      return nodes > 1 ? Four{rounds, on_link, 0, 0} : Four{0, 0, rounds, on_link};
    }
    case Shape::halving:
      return {ways * rounds_of(nodes), ways * (others_of(nodes) + folds_of(nodes)) * bytes, ways * rounds_of(in_node),
              ways * (others_of(in_node) + folds_of(in_node)) * bytes};
    case Shape::tree:
      return {ways * rounds_of(nodes), ways * rounds_of(nodes) * bytes, ways * rounds_of(in_node),
              ways * rounds_of(in_node) * bytes};
  }
  return {};
}

double AlphaBeta::operator()(int ranks, int nodes, double bytes) const {
  return dot(link_costs(shape, ways, ranks, nodes, bytes),
             {between.alpha_s, between.beta_s_per_byte, within.alpha_s, within.beta_s_per_byte});
}

std::optional<AlphaBeta> fit_alpha_beta(double ways, std::span<const LinkSample> samples, std::string& why) {
  std::vector<LinkSample> used;
  for (const LinkSample& sample : samples) {
    if (sample.ranks > 1 && sample.bytes > 0 && sample.time_s > 0) used.push_back(sample);
  }
  if (used.size() < 3) {
    why = "fewer than 3 measurements on more than one rank";
    return std::nullopt;
  }
  const auto [small, large] = std::ranges::minmax(used, {}, &LinkSample::bytes);
  if (small.bytes == large.bytes) {
    why = "all measurements are of one size";
    return std::nullopt;
  }
  std::optional<AlphaBeta> best;
  double least = std::numeric_limits<double>::infinity();
  for (const Shape shape : {Shape::halving, Shape::ring, Shape::tree}) {
    std::vector<Row> rows;
    for (const LinkSample& sample : used) {
      Row row{link_costs(shape, ways, sample.ranks, sample.nodes, sample.bytes)};
      for (double& cost : row.costs) cost /= sample.time_s;
      rows.push_back(row);
    }
    Four terms{};
    for (int n = 0; n < kReweightings; ++n) {
      terms = non_negative_fit(rows);
      for (Row& row : rows) {
        const double size = std::abs(1 - dot(row.costs, terms));
        row.weight = size <= kLinearFrom ? 1 : kLinearFrom / size;
      }
    }
    double loss = 0, squares = 0;
    for (const Row& row : rows) {
      const double residual = dot(row.costs, terms) - 1;
      loss += huber(residual);
      squares += residual * residual;
    }
    // Two ranks cannot tell the shapes apart: the first of equals stays.
    if (loss >= least * (1 - 1e-9)) continue;
    least = loss;
    const auto is_used = [&](std::size_t term) {
      return std::ranges::any_of(rows, [&](const Row& row) { return row.costs[term] > 0; });
    };
    best = {.ways = ways,
            .shape = shape,
            .between = {terms[0], terms[1], is_used(1)},
            .within = {terms[2], terms[3], is_used(3)},
            .rms = std::sqrt(squares / static_cast<double>(rows.size())),
            .samples = rows.size()};
  }
  return best;
}

}  // namespace clip_hpc
