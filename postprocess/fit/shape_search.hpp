// Robust fit of error = sum of coefficients x columns, where two numbers (exponents, a half-life) shape the columns.
// The shapes are searched inside bounds, from a grid of starts and then more finely around the best few; coefficients
// are solved for, from 0 on. Relative residuals above 5 % count linearly (Huber).
#pragma once

#include <array>
#include <functional>
#include <span>

namespace clip_hpc {

using Columns = std::array<double, 3>;

struct ShapeRange {
  double low = 1, high = 1;  // above 0, searched on a logarithmic axis; equal: fixed
  bool is_free() const { return high > low; }
};

struct ShapeFit {
  double first = 1, second = 1;
  Columns coefficients{};
  double cost = 0;  // sum of Huber's function of the relative residuals
};

// The first shape changes least often.
using ColumnsOf = std::function<Columns(std::size_t point, double first, double second)>;
ShapeFit search_shapes(std::span<const double> errors, ShapeRange first, ShapeRange second, const ColumnsOf& columns);

}  // namespace clip_hpc
