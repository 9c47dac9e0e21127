// L-BFGS that is asked for a point and told value and gradient there, so that many problems share one evaluation.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <deque>
#include <limits>

namespace clip_hpc {

struct LbfgsOptions {
  std::int64_t history = 10;
  std::int64_t max_iterations = 1000;
  double tolerance = 1e-4;  // largest component of the gradient at which it ends
  double rounding = 1e-14;  // of a value, relative: what is less than that is no difference
};

class Lbfgs {
 public:
  Lbfgs(const at::Tensor& start, const LbfgsOptions& options);  // [n] double
  const at::Tensor& trial() const { return trial_; }            // where value and gradient are wanted
  void tell(double value, const at::Tensor& gradient);
  bool done() const { return done_; }
  bool converged() const { return converged_; }  // to the tolerance, or as far as rounding allows
  std::int64_t iterations() const { return iterations_; }
  const at::Tensor& solution() const { return x_; }

 private:
  struct Pair {
    at::Tensor step, change;  // of the point, of the gradient
    double inverse = 0;       // 1 / (step . change)
  };
  struct Point {  // on the line of the search
    double t = 0, value = 0, slope = 0;
  };
  void accept(double value, const at::Tensor& gradient);
  void choose_direction();
  void try_at(double t);

  LbfgsOptions options_;
  at::Tensor x_, gradient_, direction_, trial_;
  double value_ = 0, slope_ = 0;
  std::deque<Pair> pairs_;
  Point low_, high_;  // low is short of the minimum, high beyond it or infinite
  double t_ = 0;
  int trials_ = 0;
  std::int64_t iterations_ = 0;
  bool started_ = false, done_ = false, converged_ = false;
};

}  // namespace clip_hpc
