// Captions as a text tower takes them: token ids and lengths, cut once at the longest caption of the batch.
#pragma once

#include <cstdint>
#include <span>

namespace clip_hpc {

// Tokens that hold every caption: the longest length, at least 1, rounded up to a multiple of `multiple_of`, at most
// the context. Without captions the context.
std::int64_t trimmed_width(std::span<const std::int32_t> lengths, std::int64_t context, std::int64_t multiple_of = 1);

// The first out.size() / rows ids of each row: ids [rows, context] -> out [rows, width].
void copy_trimmed(std::span<const std::int32_t> ids, std::int64_t rows, std::span<std::int64_t> out);

}  // namespace clip_hpc
