#include "clip_hpc/model/arena/initial.hpp"

#include <cmath>
#include <span>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/random.hpp"

namespace clip_hpc {
namespace {

using Kind = Distribution::Kind;

double next_value(const Distribution& d, RandomStream& stream) {
  switch (d.kind) {
    case Kind::normal:
      return d.a + d.b * stream.normal();
    case Kind::truncated_normal:
      for (;;) {
        if (const double value = d.a + d.b * stream.normal(); std::abs(value) <= d.limit) return value;
      }
    case Kind::uniform:
      return stream.uniform(d.a, d.b);
    case Kind::constant:
    case Kind::sin_cos_2d:
      break;
  }
  return d.a;
}

// values [1 + side * side, width]
void fill_sin_cos(std::int64_t side, std::int64_t width, const at::Tensor& values) {
  const std::int64_t waves = width / 4;
  const at::Tensor exponent = at::arange(waves, at::kDouble) / static_cast<double>(waves);
  const at::Tensor frequency = at::pow(10000.0, exponent).reciprocal();                // [waves]
  const at::Tensor angle = at::arange(side, at::kDouble).view({side, 1}) * frequency;  // [side, waves]
  const at::Tensor of_axis = at::cat({angle.sin(), angle.cos()}, 1);                   // [side, width / 2]
  const at::Tensor column = of_axis.unsqueeze(0).expand({side, side, width / 2});      // [row, column, …]
  const at::Tensor row = of_axis.unsqueeze(1).expand({side, side, width / 2});
  const at::Tensor all = values.view({1 + side * side, width});
  all.select(0, 0).zero_();
  all.slice(0, 1).copy_(at::cat({column, row}, 2).view({side * side, width}));
}

}  // namespace

Distribution constant(double value) { return {Kind::constant, value, 0, 0}; }
Distribution zeros() { return constant(0.0); }
Distribution ones() { return constant(1.0); }
Distribution normal(double deviation, double mean) { return {Kind::normal, mean, deviation, 0}; }
Distribution truncated_normal(double deviation, double limit) { return {Kind::truncated_normal, 0, deviation, limit}; }
Distribution uniform(double low, double high) { return {Kind::uniform, low, high, 0}; }
Distribution uniform(double half_width) { return uniform(-half_width, half_width); }

Distribution sin_cos_2d(std::int64_t side, std::int64_t width) {
  return {Kind::sin_cos_2d, static_cast<double>(side), static_cast<double>(width), 0};
}

Distribution torch_linear(std::int64_t fan_in) { return uniform(1.0 / std::sqrt(static_cast<double>(fan_in))); }

Distribution kaiming_normal(std::int64_t fan, double gain) {
  return normal(gain / std::sqrt(static_cast<double>(fan)));
}

Distribution xavier_uniform(std::int64_t fan_in, std::int64_t fan_out) {
  return uniform(std::sqrt(6.0 / static_cast<double>(fan_in + fan_out)));
}

Distribution lecun_normal(std::int64_t fan_in) {
  constexpr double kDeviationLeft = 0.87962566103423978;  // of a standard normal that is cut at two deviations
  const double deviation = 1.0 / std::sqrt(static_cast<double>(fan_in)) / kDeviationLeft;
  return truncated_normal(deviation, 2 * deviation);
}

void draw(const Distribution& distribution, std::uint64_t seed, const std::string& name, const at::Tensor& values) {
  if (distribution.kind == Kind::sin_cos_2d) {
    fill_sin_cos(static_cast<std::int64_t>(distribution.a), static_cast<std::int64_t>(distribution.b), values);
    return;
  }
  RandomStream stream(seed, Purpose::init, xxh64(std::as_bytes(std::span(name))));
  for (float& value : std::span(values.data_ptr<float>(), static_cast<std::size_t>(values.numel()))) {
    value = static_cast<float>(next_value(distribution, stream));
  }
}

}  // namespace clip_hpc
