#include "clip_hpc/eval/heads/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace clip_hpc {
namespace {

constexpr double kDecrease = 1e-4, kCurvature = 0.9;  // Wolfe's conditions
constexpr int kMaxTrials = 40;                        // of one search

double product_of(const at::Tensor& a, const at::Tensor& b) { return at::dot(a, b).item<double>(); }

}  // namespace

Lbfgs::Lbfgs(const at::Tensor& start, const LbfgsOptions& options)
    : options_(options), x_(start), trial_(start), done_(options.max_iterations <= 0) {}

void Lbfgs::tell(double value, const at::Tensor& gradient) {
  if (!started_) {
    started_ = true;
    accept(value, gradient);
    return;
  }
  const double slope = product_of(gradient, direction_);
  const bool lower = value <= value_ + kDecrease * t_ * slope_;
  // Near the minimum the values differ by rounding alone, and the slopes decide (Hager and Zhang).
  const bool as_low = value <= value_ + options_.rounding * std::abs(value_) && slope <= (2 * kDecrease - 1) * slope_;
  if ((lower || as_low) && slope >= kCurvature * slope_) {
    const at::Tensor step = direction_ * t_, change = gradient - gradient_;
    const double product = product_of(step, change);
    if (product > 0) {
      if (std::ssize(pairs_) == options_.history) pairs_.pop_front();
      pairs_.push_back({step, change, 1 / product});
    }
    x_ = trial_;
    ++iterations_;
    accept(value, gradient);
    return;
  }
  if (++trials_ == kMaxTrials) {  // rounding hides every further decrease
    done_ = converged_ = true;
    return;
  }
  Point& end = lower || as_low ? low_ : high_;
  end = {t_, value, slope};
  if (std::isinf(high_.t)) {
    try_at(2 * t_);
    return;
  }
  // The minimum of the cubic through both ends, kept away from them.
  const double width = high_.t - low_.t;
  double t = low_.t + width / 2;
  const double a = low_.slope + high_.slope - 3 * (high_.value - low_.value) / width;
  const double root = a * a - low_.slope * high_.slope;
  if (root >= 0) {
    const double b = std::sqrt(root);
    const double cubic = high_.t - width * (high_.slope + b - a) / (high_.slope - low_.slope + 2 * b);
    if (std::isfinite(cubic)) t = std::clamp(cubic, low_.t + 0.1 * width, high_.t - 0.1 * width);
  }
  try_at(t);
}

void Lbfgs::accept(double value, const at::Tensor& gradient) {
  value_ = value;
  gradient_ = gradient;
  converged_ = gradient.abs().max().item<double>() <= options_.tolerance;
  // A value that is not finite has no direction to go.
  done_ = converged_ || iterations_ >= options_.max_iterations || !std::isfinite(value);
  if (!done_) choose_direction();
}

void Lbfgs::choose_direction() {
  at::Tensor q = gradient_.neg();
  std::vector<double> alphas(pairs_.size());
  for (std::size_t i = pairs_.size(); i-- > 0;) {
    alphas[i] = pairs_[i].inverse * product_of(pairs_[i].step, q);
    q.sub_(pairs_[i].change, alphas[i]);
  }
  if (!pairs_.empty()) {
    const Pair& last = pairs_.back();
    q.mul_(1 / (last.inverse * product_of(last.change, last.change)));
  }
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    q.add_(pairs_[i].step, alphas[i] - pairs_[i].inverse * product_of(pairs_[i].change, q));
  }
  direction_ = q;
  slope_ = product_of(gradient_, direction_);
  if (!(slope_ < 0)) {  // rounding spoilt the history
    pairs_.clear();
    direction_ = gradient_.neg();
    slope_ = product_of(gradient_, direction_);
  }
  low_ = {0, value_, slope_};
  high_ = {std::numeric_limits<double>::infinity(), 0, 0};
  trials_ = 0;
  try_at(pairs_.empty() ? std::min(1.0, 1 / std::sqrt(-slope_)) : 1.0);
}

void Lbfgs::try_at(double t) {
  t_ = t;
  trial_ = at::add(x_, direction_, t);
}

}  // namespace clip_hpc
