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
      break;
  }
  return d.a;
}

}  // namespace

Distribution constant(double value) { return {Kind::constant, value, 0, 0}; }
Distribution zeros() { return constant(0.0); }
Distribution ones() { return constant(1.0); }
Distribution normal(double deviation, double mean) { return {Kind::normal, mean, deviation, 0}; }
Distribution truncated_normal(double deviation, double limit) { return {Kind::truncated_normal, 0, deviation, limit}; }
Distribution uniform(double low, double high) { return {Kind::uniform, low, high, 0}; }
Distribution uniform(double half_width) { return uniform(-half_width, half_width); }

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
  RandomStream stream(seed, Purpose::init, xxh64(std::as_bytes(std::span(name))));
  for (float& value : std::span(values.data_ptr<float>(), static_cast<std::size_t>(values.numel()))) {
    value = static_cast<float>(next_value(distribution, stream));
  }
}

}  // namespace clip_hpc
