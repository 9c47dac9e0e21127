// Laws of error against training: a row of a table, and a file behind each row. What a row fits to points it predicts
// for other trainings; law_fit.hpp does the same for all rows: checks, held-out points, intervals.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

struct LawPoint {
  double samples = 0, set = 0;  // seen in training; distinct
  double error = 0;             // above 0
  double gmacs = 1;             // forward multiply-adds per sample, 1e9
  double compute() const { return samples * gmacs; }
};

struct Law {  // with its coefficients; which number is what is the row's own business
  std::vector<double> coefficients;
  int spent = 0;  // coefficients that the points determine: those at a bound of 0 cost no degree of freedom
};

struct LawKind {
  const char* name;
  const char* help;
  const char* formula;
  const char* source;
  bool knows_repeats;  // tells a sample that is seen again from a new one
  bool by_default;     // takes part when no law is asked for by name
  // Why these points determine no such law; empty: they do.
  std::string (*refusal)(std::span<const LawPoint> points);
  Law (*fit)(std::span<const LawPoint> points);
  double (*predict)(const Law& law, const LawPoint& at);  // at.error is not looked at
  std::string (*words)(const Law& law);                   // the formula with its numbers
  // Which points it is fitted to, and which it may be judged by.
  std::vector<LawPoint> (*concerns)(std::span<const LawPoint> points);
};

std::span<const LawKind> law_kinds();
const LawKind& law_kind(const std::string& name);  // throws input, naming the nearest

// What several rows ask of points.
inline constexpr double kLeastSpan = 3.9;  // of an axis that is fitted: 4, but that runs end on whole steps
double span_of(std::span<const LawPoint> points, double (*value)(const LawPoint&));  // largest / smallest
double geometric_mean(std::span<const LawPoint> points, double (*value)(const LawPoint&));
bool has_repeats(std::span<const LawPoint> points);
std::string too_few(std::size_t points, std::size_t needed, const char* what = "a curve");
std::vector<LawPoint> all_of(std::span<const LawPoint> points);

}  // namespace clip_hpc
