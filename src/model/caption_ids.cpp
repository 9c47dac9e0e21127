#include "clip_hpc/model/caption_ids.hpp"

#include <ATen/ATen.h>

#include <iterator>

#include "clip_hpc/text/captions.hpp"

namespace clip_hpc {

at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths,
                       const TextConfig& config, std::int64_t multiple_of) {
  const bool whole = config.no_causal_mask || config.pool_type == "last";
  const std::int64_t width = whole ? config.context_length : trimmed_width(lengths, config.context_length, multiple_of);
  const at::Tensor cut = at::empty({std::ssize(lengths), width}, at::kLong);
  copy_trimmed(ids, std::ssize(lengths), {cut.data_ptr<std::int64_t>(), static_cast<std::size_t>(cut.numel())});
  return cut;
}

at::Tensor token_ids(const Tokenizer& tokenizer, const TextConfig& config, std::span<const std::string> captions) {
  const TokenBatch batch = tokenizer.encode_batch(captions, static_cast<int>(config.context_length));
  return trimmed_ids(batch.ids, batch.lengths, config);
}

}  // namespace clip_hpc
