// What towers ask of training: batch statistics over all ranks, stochastic depth, parts that are frozen, weights that
// are there already.
#include <gtest/gtest.h>

#include <algorithm>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/data/loading/loader.hpp"
#include "clip_hpc/eval/embed.hpp"
#include "clip_hpc/ops/pixels.hpp"
#include "tests/train/whole_run.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kText =
    R"("text_cfg": {"context_length": 12, "vocab_size": 320, "width": 32, "heads": 2, "layers": 2, "pool_type": "eos"})";
constexpr const char* kResNet =
    R"("timm_model_name": "resnet26", "image_size": 32, "timm_model_kwargs": {"layers": [1, 1, 1, 1], "channels": [32, 32, 32, 32]})";

class TrainTowers : public TrainLoop {
 protected:
  TrainRequest request_of(const std::string& name, const std::string& vision) const {
    TrainRequest request = this->request(name);
    request.config.strategy = {.name = "clip", .augmentation = "none"};
    request.config.model.config = (folder_ / (name + ".json")).string();
    test::on_rank_0([&] {
      write_file_atomic(request.config.model.config,
                        fmt::format(R"({{"embed_dim": 16, "vision_cfg": {{{}}}, {}}})", vision, kText));
    });
    return request;
  }
  at::Tensor saved(const TrainRequest& request, std::int64_t step, const std::string& name) const {
    for (const auto& [found, tensor] : state_at(request, step).weights) {
      if (found == name) return tensor;
    }
    throw std::out_of_range(name);
  }
};

// After one step the running mean is a tenth of the mean over the whole batch, whatever part of it a rank has: the same
// batch through the same weights in one piece.
TEST_F(TrainTowers, BatchStatisticsAreThoseOfTheWholeBatch) {
  TrainRequest resnet = request_of("resnet", kResNet);
  resnet.config.train.samples = kBatch;
  resnet.config.optim.warmup = 0;
  EXPECT_EQ(run(resnet), kExitDone);
  const at::Tensor found = saved(resnet, 1, "visual.trunk.bn1.running_mean");

  ClipModel model(parse_model_config(read_json_file(resnet.config.model.config), "resnet"), at::kFloat);
  model.initialise(resnet.config.model.init, static_cast<std::uint64_t>(resnet.config.run.seed));
  LoaderOptions options;
  options.sources = {{std::make_shared<PackedSet>(folder_ / "set"), 1, {}}};
  options.views = {parse_view("resize", 32)};
  options.seed = static_cast<std::uint64_t>(resnet.config.run.seed);
  options.global_batch = kBatch;
  BatchLoader loader(options);
  Batch batch = loader.next();
  const at::Tensor bytes = at::from_blob(batch.images.data(), {kBatch, 3, 32, 32}, at::kByte);
  model.encode_image(normalise_pixels(bytes, model.config().norm, at::kFloat), {}, true);
  const auto& buffers = model.arena().buffer_specs();
  const auto place = std::ranges::find(buffers, "visual.trunk.bn1.running_mean", &BufferSpec::name);
  const at::Tensor expected = model.arena().buffer(static_cast<std::size_t>(place - buffers.begin()));
  EXPECT_GT(expected.abs().max().item<float>(), 1e-3F);
  EXPECT_TRUE(at::allclose(found, expected, 1e-4, 1e-6));

  TrainRequest slip = request_of("resnet_slip", kResNet);  // two further views of each image do not count
  slip.config.train.samples = kBatch;
  slip.config.optim.warmup = 0;
  slip.config.strategy.name = "slip";
  slip.config.strategy.ssl_hidden = 24;
  slip.config.strategy.ssl_width = 10;
  EXPECT_EQ(run(slip), kExitDone);
  EXPECT_TRUE(at::allclose(saved(slip, 1, "visual.trunk.bn1.running_mean"), expected, 1e-4, 1e-6));
}

TEST_F(TrainTowers, WhatTakesTheBatchApartIsRefusedWithBatchNorm) {
  for (const bool recompute : {false, true}) {
    TrainRequest resnet = request_of("apart", kResNet);
    resnet.config.train.micro_batch = recompute ? 0 : 2;
    resnet.config.train.recompute = recompute;
    test::expect_error(ErrorKind::input, {recompute ? "recompute" : "micro_batch", "BatchNorm", "group"},
                       [&] { train(test_world(), resnet); });
    test_world().barrier();
  }
  TrainRequest group = request_of("group", std::string(kResNet) + R"(, "norm": "group")");
  group.config.train.micro_batch = 2;
  group.config.train.recompute = true;
  EXPECT_EQ(run(group), kExitDone);
}

// A draw of each sample: micro-batches see the same one.
TEST_F(TrainTowers, StochasticDepthIsDrawnForEachSample) {
  const auto run_with = [&](const std::string& name, const std::string& rate, std::int64_t micro_batch) {
    TrainRequest mixer =
        request_of(name, R"("timm_model_name": "mixer_b32_224", "image_size": 32, "timm_drop_path": )" + rate +
                             R"(, "timm_model_kwargs": {"img_size": 32, "patch_size": 8,
                                              "embed_dim": 32, "num_blocks": 3})");
    mixer.config.train.micro_batch = micro_batch;
    EXPECT_EQ(run(mixer), kExitDone);
    if (rate != "0.0") expect_log(mixer, "stochastic depth up to 0.5");
    return losses(mixer);
  };
  const std::vector<double> whole = run_with("deep", "0.5", 0), parts = run_with("parts", "0.5", 3),
                            plain = run_with("plain", "0.0", 0);
  ASSERT_EQ(whole.size(), parts.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(whole[i], parts[i], 2e-4) << i;
  EXPECT_GT(std::abs(whole[0] - plain[0]), 1e-4);
}

// LiT: a trained image tower stays, and only the text learns; the state is that of the text alone.
TEST_F(TrainTowers, AFrozenTowerFromWeightsStays) {
  const TrainRequest first = request("first");
  EXPECT_EQ(run(first), kExitDone);
  for (const bool shared : {false, true}) {
    TrainRequest lit = request(shared ? "lit_shared" : "lit");
    lit.config.model.init_image = first.folder.path.string();
    lit.config.model.freeze = "image";
    lit.config.comm.shard_optimizer = shared;
    lit.config.checkpoint.every_steps = kSteps / 2;
    EXPECT_EQ(run(lit), kExitDone);
    expect_log(lit, "image tower from");
    for (const char* name : {"visual.proj", "visual.transformer.resblocks.0.mlp.c_fc.weight", "visual.conv1.weight"}) {
      EXPECT_TRUE(at::equal(saved(lit, kSteps, name), saved(first, kSteps, name))) << name;
    }
    EXPECT_FALSE(at::equal(saved(lit, kSteps, "ln_final.weight"), saved(lit, kSteps / 2, "ln_final.weight")));
    const State state = state_at(lit, kSteps);
    EXPECT_LT(buffer(state, "m").numel(), buffer(state_at(first, kSteps), "m").numel());
    const LoadedModel loaded = load_model(lit.folder.path);
    EXPECT_EQ(loaded.model->arena().numel(), buffer(state_at(first, kSteps), "m").numel());
    test_world().barrier();
    // It goes on from where it is, and half of it can be unlocked in another run.
    lit.config.train.samples += kBatch;
    EXPECT_EQ(run(lit), kExitDone);
  }
  TrainRequest unlocked = request("unlocked");
  unlocked.config.model.init = first.folder.path.string();
  unlocked.config.model.freeze = "image";
  unlocked.config.model.unlocked_groups = 1;
  EXPECT_EQ(run(unlocked), kExitDone);
  EXPECT_FALSE(at::equal(saved(unlocked, kSteps, "visual.proj"), saved(first, kSteps, "visual.proj")));
  EXPECT_TRUE(
      at::equal(saved(unlocked, kSteps, "visual.ln_post.weight"), saved(first, kSteps, "visual.ln_post.weight")));
}

TEST_F(TrainTowers, AFrozenTextTowerStays) {
  const TrainRequest first = request("before");
  EXPECT_EQ(run(first), kExitDone);
  TrainRequest frozen = request("frozen_text");
  frozen.config.model.init = first.folder.path.string();
  frozen.config.model.freeze = "text";
  frozen.config.checkpoint.every_steps = kSteps / 2;
  EXPECT_EQ(run(frozen), kExitDone);
  for (const char* name : {"ln_final.weight", "text_projection", "token_embedding.weight"}) {
    EXPECT_TRUE(at::equal(saved(frozen, kSteps, name), saved(first, kSteps, name))) << name;
  }
  EXPECT_FALSE(at::equal(saved(frozen, kSteps, "visual.proj"), saved(first, kSteps, "visual.proj")));
}

// Of a frozen tower with BatchNorm the running statistics are used, and stay too.
TEST_F(TrainTowers, AFrozenTowerKeepsItsStatistics) {
  const TrainRequest first = request_of("statistics", kResNet);
  EXPECT_EQ(run(first), kExitDone);
  TrainRequest lit = request_of("statistics_lit", kResNet);
  lit.config.model.init_image = first.folder.path.string();
  lit.config.model.freeze = "image";
  EXPECT_EQ(run(lit), kExitDone);
  for (const char* name :
       {"visual.trunk.bn1.running_mean", "visual.trunk.bn1.running_var", "visual.trunk.layer1.0.conv1.weight"}) {
    EXPECT_TRUE(at::equal(saved(lit, kSteps, name), saved(first, kSteps, name))) << name;
  }
  EXPECT_GT(saved(first, kSteps, "visual.trunk.bn1.running_mean").abs().max().item<float>(), 1e-3F);
  EXPECT_FALSE(at::equal(saved(lit, kSteps, "ln_final.weight"), saved(first, kSteps, "ln_final.weight")));
}

// A teacher's features, made once by embed, teach another model; micro-batches learn the same.
TEST_F(TrainTowers, AStudentLearnsFromStoredFeatures) {
  const TrainRequest first = request("teacher");
  EXPECT_EQ(run(first), kExitDone);
  const auto embedded = folder_ / "features.h5";
  {
    const LoadedModel teacher = load_model(first.folder.path);
    const auto comm = make_mpi_communicator(test_world());
    EmbedSource source;
    source.set.emplace(folder_ / "set");
    embed(test_world(), {*comm, *teacher.model, *teacher.tokenizer}, source, {.image = true, .text = true},
          Json::object(), embedded);
  }
  const auto run_with = [&](const std::string& name, std::int64_t micro_batch, bool is_taught) {
    TrainRequest student = request(name);
    if (is_taught) {
      student.config.data.teacher = {embedded.string()};
      student.config.strategy.distill = 2;
    }
    student.config.train.micro_batch = micro_batch;
    EXPECT_EQ(run(student), kExitDone);
    return losses(student);
  };
  const std::vector<double> whole = run_with("student", 0, true), parts = run_with("student_parts", 3, true),
                            alone = run_with("alone", 0, false);
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_NEAR(whole[i], parts[i], 5e-4) << i;
  EXPECT_GT(whole[0], alone[0] + 0.5);  // a second term of weight 2
  TrainRequest wrong = request("wrong");
  wrong.config.strategy.distill = 1;
  test::expect_error(ErrorKind::input, {"strategy.distill", "data.teacher"}, [&] { train(test_world(), wrong); });
  wrong.config.strategy.distill = 0;
  wrong.config.data.teacher = {embedded.string()};
  test::expect_error(ErrorKind::input, {"learns nothing"}, [&] { train(test_world(), wrong); });
  wrong.config.data.teacher = {(folder_ / "nowhere.h5").string()};
  test::expect_error(ErrorKind::input, {"nowhere.h5", "clip_hpc embed"}, [&] { train(test_world(), wrong); });
  test_world().barrier();
}

}  // namespace
}  // namespace clip_hpc
