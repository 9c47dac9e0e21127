// Phases with images of another size: a run that stops before, at and behind the border goes on to the same bits, on
// any number of ranks; the weights are those of the whole image all along.
#include <gtest/gtest.h>

#include "clip_hpc/checkpoint/load_model.hpp"
#include "tests/expect_error.hpp"
#include "tests/train/whole_run.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kBorder = kSteps - 2;

class TrainPhases : public TrainLoop {
 protected:
  // The model's images have 32 pixels a side and patches of 8.
  TrainRequest small_first(const std::string& name, std::int64_t size = 16) const {
    TrainRequest request = this->request(name);
    request.config.strategy = {.name = "clip",
                               .unmasked = 0.25,
                               .unmasked_lr = 1e-4,
                               .image_size = size,
                               .text_tokens = 6,
                               .augmentation = "drawing"};
    request.config.optim.schedule = "constant";
    request.config.optim.warmup = 0;
    request.config.checkpoint.every_steps = 1;
    return request;
  }
};

TEST_F(TrainPhases, SmallImagesFirstThenWholeOnesWithTheSameBitsWhereverItStops) {
  const TrainRequest whole = small_first("whole");
  EXPECT_EQ(run(whole), kExitDone);
  const State expected = state_at(whole, kSteps);
  for (const std::int64_t stop : {kBorder - 1, kBorder, kBorder + 1}) {
    TrainRequest again = small_first("again" + std::to_string(stop));
    again.branch_of = whole.folder;
    again.resume = whole.folder.checkpoint_path(stop).string();
    EXPECT_EQ(run(again), kExitDone) << stop;
    expect_same_bits(state_at(again, kSteps), expected);
  }
  const LoadedModel loaded = load_model(whole.folder.path);
  EXPECT_EQ(loaded.model->image().image_size(), 32);
  expect_log(whole, "4 of 4 patches of images of 16 pixels");
  // The size matters, and all but the last steps have it.
  TrainRequest plain = small_first("plain", 0);
  EXPECT_EQ(run(plain), kExitDone);
  EXPECT_GT(std::abs(losses(plain)[1] - losses(whole)[1]), 1e-5);
}

TEST_F(TrainPhases, ASizeThatTheTowerCannotTakeIsRefused) {
  const auto refused = [&](std::int64_t size, const std::vector<std::string>& words) {
    TrainRequest wrong = small_first("wrong", size);
    test::expect_error(ErrorKind::input, words, [&] { train(test_world(), wrong); });
    test_world().barrier();
  };
  refused(20, {"strategy.image_size = 20", "multiple of 8"});
  refused(64, {"strategy.image_size = 64", "more than the 32"});
  TrainRequest fixed = small_first("mixer");
  fixed.config.model.config = (folder_ / "mixer.json").string();
  test::on_rank_0([&] {
    write_file_atomic(fixed.config.model.config,
                      R"({"embed_dim": 16, "vision_cfg": {"timm_model_name": "mixer_b32_224", "image_size": 32,
          "timm_model_kwargs": {"img_size": 32, "patch_size": 8, "embed_dim": 32, "num_blocks": 1}},
          "text_cfg": {"context_length": 12, "vocab_size": 320, "width": 32, "heads": 2, "layers": 2, "pool_type": "eos"}})");
  });
  test::expect_error(ErrorKind::input, {"strategy.image_size = 16", "mixer", "32 alone"},
                     [&] { train(test_world(), fixed); });
}

TEST_F(TrainPhases, ConvolutionsTakeSmallerImagesToo) {
  TrainRequest request = small_first("convnext", 32);
  request.config.strategy.text_tokens = 0;
  request.config.model.config = (folder_ / "convnext.json").string();
  test::on_rank_0([&] {
    write_file_atomic(request.config.model.config,
                      R"({"embed_dim": 16, "vision_cfg": {"timm_model_name": "convnext_tiny", "image_size": 64,
          "timm_model_kwargs": {"depths": [1, 1, 1, 1], "dims": [8, 16, 16, 32], "patch_size": 2}},
          "text_cfg": {"context_length": 12, "vocab_size": 320, "width": 32, "heads": 2, "layers": 2, "pool_type": "eos"}})");
  });
  EXPECT_EQ(run(request), kExitDone);
  expect_log(request, "images of 32 pixels");
}

}  // namespace
}  // namespace clip_hpc
