// What a configuration has wrong is found by all ranks before anything of the run is written.
#include "clip_hpc/train/setup.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/train/run_length.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kConvNext = R"({"embed_dim": 16,
  "vision_cfg": {"timm_model_name": "convnext_atto", "timm_pool": "", "timm_proj": "linear", "timm_drop_path": RATE,
                 "image_size": 32},
  "text_cfg": {"context_length": 12, "vocab_size": 320, "width": 32, "heads": 2, "layers": 2, "pool_type": "eos"}})";

class TrainSetup : public testing::Test {
 protected:
  TrainSetup() {
    test::on_rank_0([&] { test::write_noise_set(folder_ / "set"); });
  }
  ~TrainSetup() override { start_log({test_world().rank(), {}}); }

  TrainRequest request(const std::string& drop_path) const {
    test::on_rank_0([&] {
      std::string json = kConvNext;
      json.replace(json.find("RATE"), 4, drop_path);
      write_file_atomic(folder_ / "model.json", json);
    });
    TrainRequest request;
    request.folder = RunFolder{folder_ / "run"};
    request.config.data.train = {(folder_ / "set").string()};
    request.config.model.config = (folder_ / "model.json").string();
    request.config.train.samples = 22;
    request.config.train.global_batch = 11;
    request.config.train.threads = 1;
    request.config.train.device = "cpu";
    request.config_text = "[run]\n";
    test::on_rank_0([&] { request.folder.create(); });
    return request;
  }

  void refuses(const TrainRequest& request, const std::vector<std::string>& words) const {
    test::expect_error(ErrorKind::input, words, [&] { train(test_world(), request); });
    test_world().barrier();  // all ranks came here
    EXPECT_FALSE(std::filesystem::exists(request.folder.config_file()));
  }

  test::SharedFolder folder_;
};

TEST_F(TrainSetup, FlipOnATowerWithoutPatchesIsRefusedByAllRanks) {
  TrainRequest flip = request("0.0");
  flip.config.strategy.name = "flip";
  refuses(flip, {"flip", "needs all of them"});
}

TEST_F(TrainSetup, ABatchOfMoreThanAllSamplesIsRefusedUnlessAskedFor) {
  TrainRequest large = request("0.0");
  large.config.train.global_batch = 151;  // the set has 150
  large.config.train.samples = 302;
  refuses(large, {"train.global_batch = 151", "150 samples", "data.allow_repeats"});
  large.config.data.train = {(folder_ / "set").string() + "@3"};  // the same samples, more often
  refuses(large, {"150 samples"});
  large.config.data.allow_repeats = true;
  EXPECT_EQ(train(test_world(), large), kExitDone);
}

TEST_F(TrainSetup, AWarmUpThatOutlastsTheRunIsRefused) {
  TrainRequest cold = request("0.0");
  cold.config.optim.warmup = 10000;
  refuses(cold, {"optim.warmup = 10000 steps", "the run has 2"});
  cold.config.train.samples = 1100;  // 90 steps, and 10 of unmasked tuning
  cold.config.optim.warmup = 20;
  cold.config.strategy.name = "flip";
  cold.config.strategy.unmasked = 0.1;
  cold.config.strategy.unmasked_lr = 1e-5;
  refuses(cold, {"optim.warmup = 20 steps", "a learning rate of its own has 10"});
}

TEST_F(TrainSetup, NumbersThatNobodyMeansAreRefusedWithTheBound) {
  OptionTable table;
  RunConfig config;
  describe(table, config);
  for (const auto& [setting, word] :
       std::vector<std::pair<std::string, std::string>>{{"train.epochs=1e300", "1000000"},
                                                        {"train.samples=9223372036854775807", "1000000000000000"},
                                                        {"train.global_batch=2000000000", "16777216"}}) {
    test::expect_error(ErrorKind::input, {setting.substr(0, setting.find('=')), word},
                       [&] { table.parse({}, {setting}); });
  }
  TrainRequest endless = request("0.0");
  endless.config.train.samples = 0;
  endless.config.train.epochs = 1e6;
  endless.config.data.train = {(folder_ / "set").string() + "@1000000"};
  endless.config.train.global_batch = 100;
  EXPECT_NO_THROW(total_steps(endless.config.train, 150'000'000));
  test::expect_error(ErrorKind::input, {"train.epochs", "1000000000000000"},
                     [&] { total_steps(endless.config.train, 15'000'000'000); });
}

TEST_F(TrainSetup, TheSameTowerTrainsWithout) { EXPECT_EQ(train(test_world(), request("0.0")), kExitDone); }

}  // namespace
}  // namespace clip_hpc
