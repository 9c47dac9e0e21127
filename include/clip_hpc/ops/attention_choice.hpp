// LibTorch has several attention kernels for a GPU, and which is fastest depends on shapes, versions and the card.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace clip_hpc {

struct AttentionShape {  // of one call, as a tower makes it
  std::int64_t batch, heads, tokens, head_width;
  bool causal;
};

struct AttentionChoice {
  std::string chosen;                              // flash, cudnn, efficient, math; "gemm" on the CPU
  std::vector<std::pair<std::string, double>> ms;  // forward and backward of all shapes, of those that run
};

// Times each kernel on these shapes and leaves the fastest switched on, for the whole process. With `deterministic`
// only those that give the same bits every time are tried.
// Without `fixed_shapes`, none is tried that is prepared for each shape anew.
AttentionChoice choose_attention(const at::Device& device, at::ScalarType type,
                                 const std::vector<AttentionShape>& shapes, bool deterministic, bool fixed_shapes);

}  // namespace clip_hpc
