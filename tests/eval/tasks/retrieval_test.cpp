// Metrics against a computation of one sample at a time.
#include "clip_hpc/eval/tasks/retrieval.hpp"

#include <gtest/gtest.h>

#include "tests/eval/one_by_one.hpp"

namespace clip_hpc {
namespace {

using test::dot;
using test::Vector;

class Retrieval : public test::OneByOne {};

// An image query counts when any of its captions is among the best; a text query when its image is.
TEST_F(Retrieval, RetrievalEqualsPlacesCountedOneByOne) {
  const std::vector<Vector> images = image_vectors();
  for (const bool first_only : {false, true}) {
    std::vector<Vector> texts;
    std::vector<std::size_t> owner;
    for (std::size_t i = 0; i < images.size(); ++i) {
      std::vector<std::string> captions = split_captions(test::noise_sample(i).captions);
      if (first_only) captions.resize(1);
      for (const std::string& caption : captions) {
        texts.push_back(text_vector(caption));
        owner.push_back(i);
      }
    }
    std::map<std::string, double> expected;
    std::vector<std::size_t> best_caption(images.size(), texts.size());  // place of an image's best caption
    for (std::size_t t = 0; t < texts.size(); ++t) {
      Vector to_images, to_texts;
      for (const Vector& image : images) to_images.push_back(dot(texts[t], image));
      for (const Vector& text : texts) to_texts.push_back(dot(images[owner[t]], text));
      best_caption[owner[t]] = std::min(best_caption[owner[t]], place(to_texts, t));
      for (const std::size_t k : {1, 5, 10}) {
        expected[fmt::format("image_retrieval_recall@{}", k)] +=
            place(to_images, owner[t]) < k ? 1.0 / static_cast<double>(texts.size()) : 0;
      }
    }
    for (const std::size_t found : best_caption) {
      for (const std::size_t k : {1, 5, 10}) {
        expected[fmt::format("text_retrieval_recall@{}", k)] +=
            found < k ? 1.0 / static_cast<double>(images.size()) : 0;
      }
    }
    const RetrievalOutcome outcome = evaluate_retrieval(context_, set_, first_only);
    EXPECT_EQ(outcome.images, 150);
    EXPECT_EQ(outcome.texts, first_only ? 150 : 300);
    ASSERT_EQ(outcome.metrics.size(), expected.size());
    for (const auto& [name, value] : expected) EXPECT_NEAR(outcome.metrics.at(name), value, 1e-12) << name;
    EXPECT_GT(outcome.metrics.at("text_retrieval_recall@10"), 0);
  }
}

TEST_F(Retrieval, ASetSmallerThanTenStillHasAllRecalls) {
  const test::TempFolder folder;
  test::write_noise_set(folder / "small", 3);
  const PackedSet small(folder / "small");
  const RetrievalOutcome outcome = evaluate_retrieval(context_, small, true);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("image_retrieval_recall@5"), 1.0);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("text_retrieval_recall@10"), 1.0);
}

}  // namespace
}  // namespace clip_hpc
