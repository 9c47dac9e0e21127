#include "postprocess/fit/shape_search.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

namespace clip_hpc {
namespace {

constexpr int kSide = 9, kFinerSide = 5, kTurns = 5, kReweighted = 8;
constexpr double kFiner = 2.5;
constexpr double kLinearFrom = 0.05;  // relative residual
constexpr std::size_t kStarts = 3;
constexpr double kNone = std::numeric_limits<double>::infinity();

using Bordered = std::array<std::array<double, 4>, 3>;  // normal equations

// Their solution with the columns of `choice`; none where they are singular or a coefficient is below 0.
std::optional<Columns> solve_for(Bordered m, unsigned choice) {
  for (unsigned j = 0; j < 3; ++j) {
    if ((choice >> j & 1U) != 0) continue;
    for (unsigned k = 0; k < 4; ++k) m[j][k] = 0;
    for (unsigned k = 0; k < 3; ++k) m[k][j] = 0;
    m[j][j] = 1;
  }
  for (unsigned j = 0; j < 3; ++j) {
    if (m[j][j] < 1e-14) return std::nullopt;
    for (unsigned i = 0; i < 3; ++i) {
      if (i == j) continue;
      const double factor = m[i][j] / m[j][j];
      for (unsigned k = j; k < 4; ++k) m[i][k] -= factor * m[j][k];
    }
  }
  Columns x{};
  for (unsigned j = 0; j < 3; ++j) {
    x[j] = m[j][3] / m[j][j];
    if (x[j] < 0) return std::nullopt;
  }
  return x;
}

double sum_of(const Columns& x, const Columns& row) { return x[0] * row[0] + x[1] * row[1] + x[2] * row[2]; }

// Least squares with weights and coefficients from 0 on: of all choices of columns that give such, the best.
bool solve_columns(std::span<const Columns> rows, std::span<const double> y, std::span<const double> weights,
                   Columns& best) {
  Bordered m{};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (unsigned j = 0; j < 3; ++j) {
      for (unsigned k = 0; k < 3; ++k) m[j][k] += weights[i] * rows[i][j] * rows[i][k];
      m[j][3] += weights[i] * rows[i][j] * y[i];
    }
  }
  double least = kNone;
  for (unsigned choice = 1; choice < 8; ++choice) {
    const std::optional<Columns> x = solve_for(m, choice);
    if (!x) continue;
    double cost = 0;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const double r = sum_of(*x, rows[i]) - y[i];
      cost += weights[i] * r * r;
    }
    if (cost < least) {
      least = cost;
      best = *x;
    }
  }
  return std::isfinite(least);
}

double robust_cost(double r) {
  const double size = std::abs(r);
  return size <= kLinearFrom ? 0.5 * r * r : kLinearFrom * (size - 0.5 * kLinearFrom);
}

// The coefficients for given shapes, by weights that are corrected a few times.
ShapeFit with_shapes(std::span<const double> y, double first, double second, const ColumnsOf& columns) {
  std::vector<Columns> rows(y.size());
  std::vector<double> weights(y.size());
  for (std::size_t i = 0; i < y.size(); ++i) {
    rows[i] = columns(i, first, second);
    weights[i] = 1 / (y[i] * y[i]);
  }
  ShapeFit found{first, second, {}, kNone};
  for (int turn = 0; turn < kReweighted; ++turn) {
    if (!solve_columns(rows, y, weights, found.coefficients)) return found;
    bool is_plain = true;
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double size = std::abs(sum_of(found.coefficients, rows[i]) / y[i] - 1);
      is_plain = is_plain && size <= kLinearFrom;
      weights[i] = std::min(1.0, kLinearFrom / std::max(size, 1e-12)) / (y[i] * y[i]);
    }
    if (is_plain && turn == 0) break;  // plain least squares is the answer
  }
  found.cost = 0;
  for (std::size_t i = 0; i < y.size(); ++i) found.cost += robust_cost(sum_of(found.coefficients, rows[i]) / y[i] - 1);
  return found;
}

double at(const ShapeRange& range, double middle, double half, int step, int side) {
  if (!range.is_free()) return range.low;
  const double way = 2.0 * step / (side - 1) - 1;
  return std::exp(
      std::clamp(middle + half * std::log(range.high / range.low) * way, std::log(range.low), std::log(range.high)));
}

std::vector<ShapeFit> grid(std::span<const double> errors, const ShapeRange& first, const ShapeRange& second,
                           const ShapeFit& around, double half, int side, const ColumnsOf& columns) {
  std::vector<ShapeFit> found;
  for (int i = 0; i < (first.is_free() ? side : 1); ++i) {
    for (int j = 0; j < (second.is_free() ? side : 1); ++j) {
      found.push_back(with_shapes(errors, at(first, std::log(around.first), half, i, side),
                                  at(second, std::log(around.second), half, j, side), columns));
    }
  }
  std::ranges::stable_sort(found, {}, &ShapeFit::cost);
  return found;
}

}  // namespace

ShapeFit search_shapes(std::span<const double> errors, ShapeRange first, ShapeRange second, const ColumnsOf& columns) {
  const ShapeFit middle{std::sqrt(first.low * first.high), std::sqrt(second.low * second.high), {}, kNone};
  std::vector<ShapeFit> starts = grid(errors, first, second, middle, 0.5, kSide, columns);
  if (starts.size() > kStarts) starts.resize(kStarts);
  ShapeFit best = starts.front();
  for (ShapeFit start : starts) {
    double half = 0.5;
    for (int turn = 0; turn < kTurns; ++turn) {
      half /= kFiner;
      const ShapeFit finer = grid(errors, first, second, start, half, kFinerSide, columns).front();
      if (finer.cost < start.cost) start = finer;
    }
    if (start.cost < best.cost) best = start;
  }
  return best;
}

}  // namespace clip_hpc
