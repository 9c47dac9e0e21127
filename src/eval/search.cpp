#include "clip_hpc/eval/search.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "clip_hpc/base/html.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/image/resize.hpp"
#include "clip_hpc/eval/ranking.hpp"
#include "clip_hpc/eval/text_features.hpp"

namespace clip_hpc {
namespace {

constexpr int kThumbnail = 224;  // pixels of the long side, at most

std::string thumbnail(const PackedSet& set, std::uint64_t index) {
  RawSample raw = set.read(index);
  Image image = set.is_raw() ? image_from_raw(std::move(raw.image), raw.width, raw.height, set.info().channels)
                             : decode_image(raw.image, kThumbnail);
  const int longest = std::max(image.width, image.height);
  if (longest > kThumbnail) {
    const auto side = [&](int length) {
      return std::max(1, static_cast<int>(std::int64_t{length} * kThumbnail / longest));
    };
    image = resize(image, side(image.width), side(image.height), Filter::bicubic);
  }
  const std::vector<std::uint8_t> png = encode_png(image);
  return base64({reinterpret_cast<const char*>(png.data()), png.size()});
}

constexpr const char* kStyle = R"(body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}
h2{margin:2rem 0 .5rem}ol{display:flex;flex-wrap:wrap;gap:1rem;padding:0;list-style:none}
li{width:224px;overflow-wrap:anywhere}img{max-width:100%;min-width:64px;image-rendering:auto}
b{font-variant-numeric:tabular-nums}small{display:block;color:#666}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}small{color:#999}})";

}  // namespace

std::vector<std::vector<Match>> search_images(const EvalContext& context, std::span<const PackedSet> sets,
                                              const std::vector<std::string>& queries, std::int64_t count) {
  const at::Tensor text = text_features(context, queries);  // [queries, embed_dim]
  std::vector<std::vector<Match>> matches(queries.size());
  for (std::size_t s = 0; s < sets.size(); ++s) {
    const BestKeys best = best_keys(text, kept_image_features(context, sets[s], FeatureKind::projected), count);
    for (std::size_t q = 0; q < queries.size(); ++q) {
      const auto row = static_cast<std::int64_t>(q);
      for (std::int64_t k = 0; k < best.indices.size(1); ++k) {
        matches[q].push_back({s, static_cast<std::uint64_t>(best.indices[row][k].item<std::int64_t>()),
                              best.scores[row][k].item<double>()});
      }
    }
  }
  for (std::vector<Match>& of_query : matches) {
    std::stable_sort(of_query.begin(), of_query.end(),
                     [](const Match& a, const Match& b) { return a.score > b.score; });
    of_query.resize(std::min(of_query.size(), static_cast<std::size_t>(count)));
  }
  return matches;
}

std::string search_page(std::span<const PackedSet> sets, const std::vector<std::string>& queries,
                        const std::vector<std::vector<Match>>& matches, const std::string& model) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n<style>{1}</style></head>\n"
      "<body><h1>{0}</h1>\n",
      "Search with " + escape_html(model), kStyle);
  for (std::size_t q = 0; q < queries.size(); ++q) {
    page += fmt::format("<h2>{}</h2>\n<ol>\n", escape_html(queries[q]));
    for (const Match& match : matches[q]) {
      const PackedSet& set = sets[match.set];
      const std::string caption = escape_html(set.captions(match.index));
      const auto [high, low] = set.uid(match.index);
      page += fmt::format(
          "<li><img alt=\"{}\" src=\"data:image/png;base64,{}\"><br><b>{:.4f}</b> {}<small>{} {}</small>"
          "<small>id {:016x}{:016x}</small></li>\n",
          caption, thumbnail(set, match.index), match.score, caption, escape_html(set.folder().native()), match.index,
          high, low);
    }
    page += "</ol>\n";
  }
  return page + "</body></html>\n";
}

}  // namespace clip_hpc
