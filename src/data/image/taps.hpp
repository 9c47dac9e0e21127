// Which inputs an output of a resized row is made of, and with which weights: Pillow's, to the last bit.
#pragma once

#include <vector>

#include "clip_hpc/data/image/resize.hpp"

namespace clip_hpc {

inline constexpr int kPrecisionBits = 32 - 8 - 2;  // Pillow's

struct OutputRange {  // of outputs
  int begin = 0, end = 0;
};

struct Taps {
  int stride = 0;          // weights per output
  std::vector<int> first;  // input of the first weight
  std::vector<int> count;
  std::vector<int> weights;   // fixed point
  std::vector<double> exact;  // as numbers, where asked for
};

Taps make_taps(int in_size, double in_begin, double in_end, int out_size, OutputRange outputs, Filter filter,
               bool with_exact = false);

}  // namespace clip_hpc
