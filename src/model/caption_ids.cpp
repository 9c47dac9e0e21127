#include "clip_hpc/model/caption_ids.hpp"

#include <ATen/ATen.h>

#include <iterator>

#include "clip_hpc/text/captions.hpp"

namespace clip_hpc {

at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, const TextTower& tower,
                       std::int64_t multiple_of) {
  const std::int64_t width = tower.can_pack() ? trimmed_width(lengths, tower.context(), multiple_of) : tower.context();
  const at::Tensor cut = at::empty({std::ssize(lengths), width}, at::kLong);
  copy_trimmed(ids, std::ssize(lengths), {cut.data_ptr<std::int64_t>(), static_cast<std::size_t>(cut.numel())});
  return cut;
}

at::Tensor token_ids(const Tokenizer& tokenizer, const TextTower& tower, std::span<const std::string> captions) {
  const TokenBatch batch = tokenizer.encode_batch(captions, static_cast<int>(tower.context()));
  return trimmed_ids(batch.ids, batch.lengths, tower);
}

}  // namespace clip_hpc
