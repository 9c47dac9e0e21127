// Clouds of points around random centres: one class a cloud.
#pragma once

#include <vector>

#include "clip_hpc/base/random.hpp"
#include "clip_hpc/eval/samples.hpp"

namespace clip_hpc::test {

// `each` points of every class in turn, normal with deviation `spread` around centres of deviation 1.
inline Samples clouds(std::int64_t classes, std::int64_t each, std::int64_t dim, double spread, std::uint64_t draw) {
  Samples samples{at::empty({classes * each, dim}, at::kFloat), {}};
  float* x = samples.x.data_ptr<float>();
  for (std::int64_t i = 0; i < classes * each; ++i) {
    const std::int64_t label = i % classes;
    RandomStream centre(1, Purpose::test, static_cast<std::uint64_t>(label));
    RandomStream noise(2, Purpose::test, draw, static_cast<std::uint64_t>(i));
    for (std::int64_t d = 0; d < dim; ++d) {
      *x++ = static_cast<float>(centre.normal() + spread * noise.normal());
    }
    samples.y.push_back(label);
  }
  return samples;
}

inline TestSamples test_clouds(std::int64_t classes, std::int64_t each, std::int64_t dim, double spread,
                               std::uint64_t draw) {
  return {"the test clouds", clouds(classes, each, dim, spread, draw), {}};
}

}  // namespace clip_hpc::test
