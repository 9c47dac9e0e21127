// Scores are the cosines of what embed writes, on any number of ranks.
#include "clip_hpc/eval/score.hpp"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>

#include "clip_hpc/model/caption_ids.hpp"
#include "tests/eval/eval_mpi_fixture.hpp"

namespace clip_hpc {
namespace {

class Score : public testing::Test, protected test::OnAllRanks {};

TEST_F(Score, IsTheMeanCosineOfTheCaptions) {
  const at::NoGradGuard no_grad;
  const std::vector<float> scores = score(context(), set_);
  ASSERT_EQ(scores.size(), set_.count());
  const at::Tensor images = image_features(context(), set_, FeatureKind::projected);
  for (std::uint64_t i = 0; i < set_.count(); i += 7) {
    const std::vector<std::string> captions = split_captions(set_.captions(i));
    const at::Tensor texts = normalise_features(model_.encode_text(token_ids(tokenizer_, model_.text(), captions)));
    const auto expected = at::matmul(texts, images[static_cast<std::int64_t>(i)]).mean().item<float>();
    EXPECT_NEAR(scores[i], expected, 1e-5) << i;
  }
}

// One rank alone has the same bits as all together.
TEST_F(Score, DoesNotDependOnTheNumberOfRanks) {
  EXPECT_EQ(score({*self_, model_, tokenizer_}, set_), score(context(), set_));
}

TEST_F(Score, APictureThatCannotBeDecodedHasNone) {
  const std::filesystem::path folder = folder_ / "jpeg";
  test::on_rank_0([&] {
    test::make_set(folder, 70, 100, "mixed", [](std::uint64_t i) {
      PackedSample sample = test::grey_sample(i);
      sample.image.assign(100, 7);  // no JPEG
      return sample;
    });
  });
  const PackedSet broken(folder);
  const std::vector<float> scores = score(context(), broken);
  ASSERT_EQ(scores.size(), 70U);
  for (const float one : scores) EXPECT_TRUE(std::isnan(one));
}

}  // namespace
}  // namespace clip_hpc
