// Captions as a text tower takes them: token ids and lengths, cut once at the longest caption of the batch.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clip_hpc {

struct Captions {
  std::int64_t width = 0;             // tokens per caption
  std::vector<std::int64_t> ids;      // [captions, width]
  std::vector<std::int32_t> lengths;  // [captions]: tokens with the first end token, padding left out
};

// Tokens that hold every caption: the longest length, at least 1, rounded up to a multiple of `multiple_of`, at most
// the context. Without captions the context.
std::int64_t trimmed_width(std::span<const std::int32_t> lengths, std::int64_t context, std::int64_t multiple_of = 1);

// The first out.size() / rows ids of each row: ids [rows, context] -> out [rows, width].
void copy_trimmed(std::span<const std::int32_t> ids, std::int64_t rows, std::span<std::int64_t> out);

// Both: ids [captions, context] with their lengths. A tower whose pooling looks at padding must not trim: it keeps the
// context as the width.
Captions trim_captions(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, std::int64_t width);

}  // namespace clip_hpc
