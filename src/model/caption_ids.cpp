#include "clip_hpc/model/caption_ids.hpp"

#include <ATen/ATen.h>

#include <algorithm>

namespace clip_hpc {

at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths,
                       const TextConfig& config, std::int64_t multiple_of) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const at::Tensor all = at::empty({rows, config.context_length}, at::kLong);
  std::copy(ids.begin(), ids.end(), all.data_ptr<std::int64_t>());
  if (config.no_causal_mask || config.pool_type == "last" || lengths.empty()) return all;
  const std::int64_t longest = std::max(1, *std::max_element(lengths.begin(), lengths.end()));
  return all.slice(1, 0, (longest + multiple_of - 1) / multiple_of * multiple_of)
      .contiguous();  // slice ends at context
}

at::Tensor token_ids(const Tokenizer& tokenizer, const TextConfig& config, std::span<const std::string> captions) {
  const TokenBatch batch = tokenizer.encode_batch(captions, static_cast<int>(config.context_length));
  return trimmed_ids(batch.ids, batch.lengths, config);
}

}  // namespace clip_hpc
