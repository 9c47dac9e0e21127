#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "clip_hpc/base/random.hpp"

namespace clip_hpc::test {

struct Gallery {
  at::Tensor images, texts;  // [n, 6], whole numbers from -2 to 2
  std::vector<std::int64_t> image_owner, text_owner;
};

// Texts in the order of their images, of which each has its share, give or take some.
inline Gallery gallery(std::int64_t images, std::int64_t texts) {
  RandomStream random(5, Purpose::augment, 0);
  const auto draw = [&](std::int64_t rows) {
    at::Tensor x = at::empty({rows, 6}, at::kFloat);
    for (std::int64_t i = 0; i < x.numel(); ++i) x.data_ptr<float>()[i] = static_cast<float>(random.below(5)) - 2;
    return x;
  };
  Gallery all{draw(images), draw(texts), {}, {}};
  for (std::int64_t i = 0; i < images; ++i) all.image_owner.push_back(i);
  for (std::int64_t i = 0; i < texts; ++i)
    all.text_owner.push_back(i < images ? i : random.below(static_cast<std::uint32_t>(images)));
  std::sort(all.text_owner.begin(), all.text_owner.end());
  return all;
}

}  // namespace clip_hpc::test
