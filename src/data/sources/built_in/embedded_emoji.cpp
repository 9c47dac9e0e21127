#include "clip_hpc/data/sources/built_in/embedded_emoji.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/sha256.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/sources/built_in/emoji_list.hpp"
#include "clip_hpc/data/sources/built_in/font_face.hpp"
#include "clip_hpc/data/sources/built_in/unicode_text.hpp"

namespace clip_hpc {
namespace {

constexpr int kHeldOutPercent = 20;
constexpr double kTwinMargin = 0.06;  // as much white as Noto's own pictures have around them

struct EmojiSet {
  FontLibrary library;
  EmojiList list;
  std::optional<FontFace> noto;
  std::optional<FontFace> symbola;
  int size = 48;
  std::uint64_t seed = 0;
};

std::string key_of(const EmojiEntry& entry) { return "emoji:" + to_utf8(entry.base); }

// Area average of a premultiplied picture on white, centred in a square of its longer side. Integers only: the same
// bytes on every machine.
std::vector<std::uint8_t> shrink_on_white(const ColorBitmap& bitmap, int size) {
  const int side = std::max(bitmap.width, bitmap.height);
  const int left = (side - bitmap.width) / 2;
  const int top = (side - bitmap.height) / 2;
  const auto cell = static_cast<std::size_t>(size);
  // Lengths in units of 1/size source pixel: an output pixel is `side` units wide, a source pixel `size` units.
  std::vector<std::int64_t> sums(cell * cell * 3, 0);
  const auto overlap = [side, size](int source, int target) {
    return std::min((source + 1) * size, (target + 1) * side) - std::max(source * size, target * side);
  };
  for (int y = 0; y < bitmap.height; ++y) {
    for (int ty = (y + top) * size / side; ty < size && ty * side < (y + top + 1) * size; ++ty) {
      const std::int64_t high = overlap(y + top, ty);
      for (int x = 0; x < bitmap.width; ++x) {
        const std::uint8_t* bgra = &bitmap.pixels[4 * static_cast<std::size_t>(y * bitmap.width + x)];
        for (int tx = (x + left) * size / side; tx < size && tx * side < (x + left + 1) * size; ++tx) {
          const std::int64_t area = high * overlap(x + left, tx);
          std::int64_t* sum = &sums[3 * static_cast<std::size_t>(ty * size + tx)];
          for (std::size_t c = 0; c < 3; ++c) sum[c] += area * (255 - std::min(255, 255 - bgra[3] + bgra[2 - c]));
        }
      }
    }
  }
  // The sums hold what is missing to white, so the border around the bitmap needs no pixels.
  const std::int64_t whole = std::int64_t{side} * side;
  std::vector<std::uint8_t> rgb(sums.size());
  std::ranges::transform(sums, rgb.begin(), [whole](std::int64_t sum) {
    return static_cast<std::uint8_t>(255 - (sum + whole / 2) / whole);
  });
  return rgb;
}

std::vector<std::uint8_t> draw(const EmojiSet& set, const EmojiEntry& entry, bool symbola) {
  if (!symbola) {
    ColorBitmap bitmap;
    if (!set.noto->draw_color(entry.sequence, bitmap) && !set.noto->draw_color(entry.base, bitmap)) {
      throw internal_error("the Noto font drew '{}' a moment ago and cannot any more", entry.name);
    }
    return shrink_on_white(bitmap, set.size);
  }
  const auto grey = set.symbola->draw_filling(entry.base.front(), set.size, kTwinMargin);
  std::vector<std::uint8_t> rgb;
  rgb.reserve(grey.size() * 3);
  for (const std::uint8_t level : grey) rgb.insert(rgb.end(), 3, level);
  return rgb;
}

// The share of a caption form is how often it stands in the list: 30 % name, 15 % keywords, 25 % name and subgroup,
// 10 % keyword, subgroup and group, 15 % "an emoji of" the subgroup, 5 % of the group (facts/embedded.md).
std::string training_captions(const EmojiSet& set, std::uint64_t index) {
  const EmojiEntry& entry = set.list.entries[index];
  const std::string& subgroup = set.list.subgroups[static_cast<std::size_t>(entry.subgroup)];
  const std::string& group = set.list.groups[static_cast<std::size_t>(entry.group)];
  const std::vector<std::string> known = entry.keywords.empty() ? std::vector{entry.name} : entry.keywords;
  RandomStream random(set.seed, Purpose::pack, index);
  const auto keywords = [&](std::size_t count) {  // different ones, in a random order
    std::vector<std::string> chosen = known;
    count = std::min(count, chosen.size());
    for (std::size_t i = 0; i < count; ++i) {
      std::swap(chosen[i], chosen[i + random.below(static_cast<std::uint32_t>(chosen.size() - i))]);
    }
    chosen.resize(count);
    return join_text(chosen, ", ");
  };
  std::vector<std::string> lines;
  lines.insert(lines.end(), 6, entry.name);
  for (std::size_t count = 1; count <= 3; ++count) lines.push_back(keywords(count));
  lines.insert(lines.end(), 5, fmt::format("{}, {}", entry.name, subgroup));
  for (int line = 0; line < 2; ++line) lines.push_back(fmt::format("{}, {}, {}", keywords(1), subgroup, group));
  lines.insert(lines.end(), 3, fmt::format("an emoji of {}", subgroup));
  lines.push_back(fmt::format("an emoji of {}", group));
  return join_text(lines, "\n");
}

PackedSample make_sample(const EmojiSet& set, std::uint32_t index, std::string_view split) {
  const EmojiEntry& entry = set.list.entries[index];
  const bool symbola = split == "test_symbola";
  PackedSample sample;
  sample.image = draw(set, entry, symbola);
  sample.width = sample.height = static_cast<std::uint32_t>(set.size);
  // Test pictures have their name alone, so that retrieval has one right answer.
  sample.captions = split == "train" ? training_captions(set, index) : entry.name;
  sample.uid = hash_uid(key_of(entry) + (symbola ? "/symbola" : "/noto"));
  sample.labels = {{"label", entry.subgroup}, {"label_group", entry.group}};
  return sample;
}

double majority_share(const EmojiSet& set, const std::vector<std::uint32_t>& items) {
  std::vector<std::size_t> counts(set.list.subgroups.size(), 0);
  for (const auto item : items) ++counts[static_cast<std::size_t>(set.list.entries[item].subgroup)];
  return items.empty() ? 0 : static_cast<double>(*std::ranges::max_element(counts)) / static_cast<double>(items.size());
}

FontFace open_font(const FontLibrary& library, const std::filesystem::path& path, const char* package) {
  if (!std::filesystem::exists(path)) {
    throw input_error("{} is missing: install the Debian package {} (or run jobs/setup.sh), or name another font",
                      path.native(), package);
  }
  return FontFace(library, path);
}

}  // namespace

std::vector<EmbeddedSplit> open_emoji(const EmojiOptions& options) {
  if (options.size < 8 || options.size > 1024) throw input_error("size must be 8 to 1024 pixels, got {}", options.size);
  auto set = std::make_shared<EmojiSet>();
  set->size = options.size;
  set->seed = options.seed;
  set->noto.emplace(open_font(set->library, options.noto_font, "fonts-noto-color-emoji"));
  std::vector<std::string> warnings;
  const bool with_cldr = std::filesystem::exists(options.cldr_dir / "annotations" / "en.xml");
  if (!with_cldr) {
    warnings.push_back(
        fmt::format("no CLDR keywords in {}: run jobs/setup.sh or unpack the Debian package "
                    "unicode-cldr-core; captions have names and groups only",
                    options.cldr_dir.native()));
  }
  set->list = read_emoji_list(options.emoji_test, with_cldr ? options.cldr_dir : std::filesystem::path{});
  if (std::filesystem::exists(options.symbola_font)) {
    set->symbola.emplace(set->library, options.symbola_font);
  } else {
    warnings.push_back(
        fmt::format("{} is missing, so there is no test_symbola: install the Debian package fonts-symbola",
                    options.symbola_font.native()));
  }

  std::vector<std::pair<std::string, std::vector<std::uint32_t>>> parts = {{"train", {}}, {"test", {}}};
  if (set->symbola) parts.emplace_back("test_symbola", std::vector<std::uint32_t>{});
  std::size_t undrawn = 0;
  for (std::uint32_t i = 0; i < set->list.entries.size(); ++i) {
    const EmojiEntry& entry = set->list.entries[i];
    ColorBitmap bitmap;
    if (!set->noto->draw_color(entry.sequence, bitmap) && !set->noto->draw_color(entry.base, bitmap)) {
      ++undrawn;
      continue;
    }
    const bool test = hash_percent(key_of(entry)) < kHeldOutPercent;
    parts[test ? 1 : 0].second.push_back(i);
    // Sequences are left out: a monochrome font would show their first half only.
    if (test && set->symbola && entry.base.size() == 1 && set->symbola->has(entry.base.front())) {
      parts[2].second.push_back(i);
    }
  }
  if (parts[0].second.empty()) {
    throw input_error("{} draws no emoji in colour: it should be the bitmap font of fonts-noto-color-emoji",
                      options.noto_font.native());
  }
  if (undrawn > 0) {
    warnings.push_back(
        fmt::format("{} emoji are left out: {} is older than the emoji list", undrawn, options.noto_font.native()));
  }

  std::vector<EmbeddedSplit> splits;
  for (auto& [name, items] : parts) {
    EmbeddedSplit split;
    split.name = name;
    split.count = items.size();
    split.channels = 3;
    split.classnames = {{"label", set->list.subgroups}, {"label_group", set->list.groups}};
    split.templates = {"an emoji of {c}"};
    split.source =
        fmt::format("emoji: {} forms without skin tones of emoji-test.txt, {} pixels, {}{}", set->list.entries.size(),
                    options.size, name == "test_symbola" ? "Symbola" : "Noto Color Emoji",
                    with_cldr ? ", English names and keywords of CLDR" : "");
    split.licence = name == "test_symbola" ? "Symbola: free for any use; names: Unicode licence"
                                           : "Noto Color Emoji: SIL OFL 1.1; names and keywords: Unicode licence";
    split.baseline = {{"chance", 1.0 / static_cast<double>(set->list.subgroups.size())},
                      {"majority", majority_share(*set, items)}};
    split.warnings = warnings;
    const KeyedPermutation order(split.count, options.seed, Purpose::pack, 16 + splits.size());
    split.render = [set, order, name = split.name, chosen = std::move(items)](std::uint64_t index) {
      if (index >= chosen.size()) throw internal_error("emoji {} of {}", index, chosen.size());
      return make_sample(*set, chosen[order(index)], name);
    };
    splits.push_back(std::move(split));
  }
  return splits;
}

OpenSource declare_emoji(ArgumentTable& words) {
  struct Words {
    EmbeddedOptions common;
    std::string cldr;
  };
  const auto o = std::make_shared<Words>();
  words.add("cldr", o->cldr, "folder of CLDR annotations");
  declare_embedded(words, o->common, EmojiOptions{}.size);
  return [o] {
    EmojiOptions options;
    if (o->common.size > 0) options.size = static_cast<int>(o->common.size);
    options.seed = static_cast<std::uint64_t>(o->common.seed);
    if (!o->cldr.empty()) {
      options.cldr_dir = o->cldr;
    } else if (!std::filesystem::exists(options.cldr_dir) && std::filesystem::exists(".deps/cldr")) {
      options.cldr_dir = ".deps/cldr";  // where jobs/setup.sh puts the two files that are needed
    }
    return opened_from(open_emoji(options), o->common);
  };
}

}  // namespace clip_hpc
