#include "clip_hpc/eval/search.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/html.hpp"
#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/eval/text_features.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

TEST(Search, TheBestOfAllSetsOnOnePage) {
  const test::TempFolder folder;
  test::write_noise_set(folder / "many");
  test::write_noise_set(folder / "few", 3);
  std::vector<PackedSet> sets;
  sets.emplace_back(folder / "few");
  sets.emplace_back(folder / "many");  // its first three are those of the other set
  const auto tokenizer = Tokenizer::load(folder / "many" / kTokenizerFileName);
  ModelConfig config = parse_model_config(Json::parse(test::kTinyModel), "tiny");
  config.text["eos_id"] = tokenizer.eos_id();
  ClipModel model(config, at::kFloat);
  model.initialise("clip_hpc", 3);
  const auto comm = make_self_communicator();
  const EvalContext context{*comm, model, tokenizer, "resize", folder / "features"};
  const std::vector<std::string> queries{"a red house", "<green> & tree"};

  const at::Tensor scores = at::matmul(text_features(context, queries),
                                       image_features(context, sets[1], FeatureKind::projected).t());  // [2, 150]
  const auto matches = search_images(context, sets, queries, 153);
  ASSERT_EQ(matches.size(), 2U);
  for (std::size_t q = 0; q < 2; ++q) {
    ASSERT_EQ(matches[q].size(), 153U);
    std::vector<int> seen(150, 0);
    for (std::size_t k = 0; k < matches[q].size(); ++k) {
      const Match& match = matches[q][k];
      const auto row = static_cast<std::int64_t>(q), column = static_cast<std::int64_t>(match.index);
      EXPECT_NEAR(match.score, scores[row][column].item<double>(), 1e-6);
      EXPECT_GE(matches[q][k == 0 ? 0 : k - 1].score, match.score);
      ++seen[match.index];
    }
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], i < 3 ? 2 : 1);
  }
  const auto three = search_images(context, sets, queries, 3);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(three[0][k].index, matches[0][k].index);

  const std::string page = search_page(sets, queries, three, "runs/tiny");
  EXPECT_EQ(count_of(page, "<li>"), 6U);
  EXPECT_EQ(count_of(page, "data:image/png;base64,"), 6U);
  EXPECT_EQ(count_of(page, "&lt;green&gt; &amp; tree"), 1U);
  EXPECT_EQ(count_of(page, "<green>"), 0U);
  EXPECT_EQ(count_of(page, "http"), 0U);  // nothing is fetched
  const Match& best = three[0][0];
  Image image = image_from_raw(sets[best.set].read(best.index).image, test::kSide, test::kSide, 3);
  const std::vector<std::uint8_t> png = encode_png(image);
  EXPECT_NE(page.find(base64({reinterpret_cast<const char*>(png.data()), png.size()})), std::string::npos);
  EXPECT_NE(page.find(fmt::format("id {:016x}{:016x}", best.index, best.index + 1)), std::string::npos);
  EXPECT_NE(page.find(fmt::format("<b>{:.4f}</b>", best.score)), std::string::npos);
}

}  // namespace
}  // namespace clip_hpc
