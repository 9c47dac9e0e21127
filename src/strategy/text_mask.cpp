#include "clip_hpc/strategy/text_mask.hpp"

#include <algorithm>
#include <numeric>

#include "clip_hpc/config/rows.hpp"

namespace clip_hpc {
namespace {

std::vector<std::int64_t> run_from(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> places(static_cast<std::size_t>(count));
  std::iota(places.begin(), places.end(), first);
  return places;
}

std::vector<std::int64_t> keep_first(std::int64_t, std::int64_t keep, RandomStream&) { return run_from(0, keep); }

std::vector<std::int64_t> keep_block(std::int64_t words, std::int64_t keep, RandomStream& random) {
  return run_from(static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(words - keep + 1))), keep);
}

std::vector<std::int64_t> keep_some(std::int64_t words, std::int64_t keep, RandomStream& random) {
  std::vector<std::int64_t> places = run_from(0, words);
  for (std::int64_t i = 0; i < keep; ++i) {  // the first `keep` places of a Fisher-Yates shuffle
    const auto j = i + static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(words - i)));
    std::swap(places[static_cast<std::size_t>(i)], places[static_cast<std::size_t>(j)]);
  }
  places.resize(static_cast<std::size_t>(keep));
  std::ranges::sort(places);
  return places;
}

constexpr TextMask kTextMasks[] = {
    {"truncate", "the first ones", keep_first},
    {"random", "any, in their order", keep_some},
    {"block", "neighbours, from a random place on (open_clip calls it simple)", keep_block},
};

}  // namespace

std::span<const TextMask> text_masks() { return kTextMasks; }

const TextMask& text_mask(const std::string& name) { return row_named(text_masks(), name, "text mask"); }

std::int32_t mask_caption(std::span<std::int32_t> ids, std::int32_t length, std::int64_t tokens, const TextMask& mask,
                          const CaptionForm& form, RandomStream& random) {
  if (length <= tokens) return length;
  const std::int64_t first = form.has_start ? 1 : 0, words = length - first - 1, keep = tokens - first - 1;
  const std::int32_t end = ids[static_cast<std::size_t>(length - 1)];
  std::size_t next = static_cast<std::size_t>(first);  // what is kept lies at or behind it
  for (const std::int64_t place : mask.kept(words, keep, random))
    ids[next++] = ids[static_cast<std::size_t>(first + place)];
  ids[next++] = end;
  std::fill(ids.begin() + static_cast<std::ptrdiff_t>(next), ids.begin() + length, form.pad);
  return static_cast<std::int32_t>(tokens);
}

}  // namespace clip_hpc
