// Scaled dot-product attention of a CPU that reads the packed projections where they lie: no copies of queries, keys
// and values, and the output in the order that the next layer reads.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

namespace clip_hpc {

// fp32 or bf16 in host memory, with oneDNN installed; longer sequences are better off with flash attention, which
// keeps no [tokens, tokens].
bool can_attend_on_cpu(const at::Tensor& qkv);

// qkv [batch, tokens, 3 * width], contiguous -> [batch, tokens, width]. Sums and softmax in fp32.
at::Tensor attention_cpu(const at::Tensor& qkv, std::int64_t heads, bool causal);

}  // namespace clip_hpc
