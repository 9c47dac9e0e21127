// Features are the same, to the last bit, computed or read back, of both kinds, on any number of ranks.
#include "clip_hpc/eval/features.hpp"

#include <gtest/gtest.h>

#include "tests/eval/eval_mpi_fixture.hpp"

namespace clip_hpc {
namespace {

class Features : public testing::TestWithParam<at::ScalarType>, protected test::OnAllRanks {
 protected:
  Features() : OnAllRanks(GetParam()) {}
  EvalContext context() const { return {*all_, model_, tokenizer_, "resize", folder_ / "features"}; }
};

TEST_P(Features, AreTheSameComputedKeptAndOnRanks) {
  for (const FeatureKind kind : {FeatureKind::pooled, FeatureKind::projected}) {
    const at::Tensor alone = image_features({*self_, model_, tokenizer_}, set_, kind);
    EXPECT_EQ(alone.size(1), kind == FeatureKind::pooled ? 32 : 16);
    EXPECT_TRUE(at::equal(alone, image_features(context(), set_, kind)));
    EXPECT_TRUE(at::equal(alone, kept_image_features(context(), set_, kind)));
    test_world().barrier();  // rank 0 has written
    EXPECT_TRUE(std::filesystem::exists(feature_file(context(), set_)));
    EXPECT_TRUE(at::equal(alone, kept_image_features(context(), set_, kind)));
  }
}

TEST_P(Features, OfOneEvaluationAreComputedOnceWithTheSameBits) {
  FeatureMemo memo;
  EvalContext sharing{*all_, model_, tokenizer_};
  sharing.memo = &memo;
  const at::Tensor projected = image_features({*self_, model_, tokenizer_}, set_, FeatureKind::projected);
  const at::Tensor first = shared_image_features(sharing, set_, FeatureKind::projected);
  EXPECT_TRUE(at::equal(projected, first));
  EXPECT_TRUE(first.is_same(shared_image_features(sharing, set_, FeatureKind::projected)));
  EXPECT_EQ(memo.images.size(), 2U);  // the pooled ones, which probes ask for, come with them
  memo.forget(set_);
  EXPECT_TRUE(memo.images.empty());
}

TEST_P(Features, AreReadFromTheFile) {
  const at::Tensor pooled = kept_image_features(context(), set_, FeatureKind::pooled);
  test_world().barrier();  // rank 0 has written
  const std::filesystem::path file = feature_file(context(), set_);
  const auto written = std::filesystem::last_write_time(file);
  EXPECT_TRUE(at::equal(pooled, kept_image_features(context(), set_, FeatureKind::pooled)));
  EXPECT_EQ(std::filesystem::last_write_time(file), written);
}

TEST_P(Features, OfADamagedFileAreComputedAgain) {
  const at::Tensor pooled = kept_image_features(context(), set_, FeatureKind::pooled);
  test_world().barrier();  // rank 0 has written
  const std::filesystem::path file = feature_file(context(), set_);
  const auto size = std::filesystem::file_size(file);
  test::on_rank_0([&] {
    const FileDescriptor bytes = FileDescriptor::open_write(file);
    const std::byte wrong{0x55};
    pwrite_all(bytes.get(), std::span(&wrong, 1), size - 100, file.native());
  });
  EXPECT_TRUE(at::equal(pooled, kept_image_features(context(), set_, FeatureKind::pooled)));
  test_world().barrier();
  test::on_rank_0([&] { std::filesystem::resize_file(file, size / 2); });
  EXPECT_TRUE(at::equal(pooled, kept_image_features(context(), set_, FeatureKind::pooled)));
  test_world().barrier();
  EXPECT_EQ(std::filesystem::file_size(file), size);
}

TEST_P(Features, AFolderThatCannotBeMadeIsPassedBy) {
  const at::Tensor pooled = image_features(context(), set_, FeatureKind::pooled);
  EvalContext blocked = context();
  blocked.feature_folder = folder_ / "set/classnames.txt";  // a file
  EXPECT_TRUE(at::equal(pooled, kept_image_features(blocked, set_, FeatureKind::pooled)));
}

TEST_P(Features, OfOtherWeightsViewsAndSetsHaveOtherFiles) {
  const std::filesystem::path file = feature_file(context(), set_);
  EvalContext other = context();
  other.view = "eval";
  EXPECT_NE(feature_file(other, set_), file);
  test::on_rank_0([&] { test::write_noise_set(folder_ / "fewer", 20); });
  EXPECT_NE(feature_file(context(), PackedSet(folder_ / "fewer")), file);
  model_.arena().master_view(3).add_(1e-3);
  EXPECT_NE(feature_file(context(), set_), file);
}

INSTANTIATE_TEST_SUITE_P(Precisions, Features, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace clip_hpc
