// Captions that are cut to fewer tokens than they have (CLIPA's text masking), in training alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/random.hpp"

namespace clip_hpc {

// Which of a caption's `words` tokens stay, ascending: `keep` of them.
struct TextMask {
  const char* name;
  const char* help;
  std::vector<std::int64_t> (*kept)(std::int64_t words, std::int64_t keep, RandomStream& random);
};
std::span<const TextMask> text_masks();
const TextMask& text_mask(const std::string& name);  // throws input, naming the nearest

struct CaptionForm {  // of a tokenizer
  bool has_start = false;
  std::int32_t pad = 0;
};

// One caption in place: ids [context], of which the first `length` count, start and end among them. Longer ones keep
// start and end and, between them, what `mask` says, `tokens` in all. Returns the length.
std::int32_t mask_caption(std::span<std::int32_t> ids, std::int32_t length, std::int64_t tokens, const TextMask& mask,
                          const CaptionForm& form, RandomStream& random);

}  // namespace clip_hpc
