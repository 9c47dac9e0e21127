// A checkpoint of schema 1, as it was written before buffers had lengths of their own: schema_1/run.tar.xz holds a
// packed set, a model, a configuration, the checkpoint of step 4 and, in wanted/, the weights to which that program
// went on.
#include "clip_hpc/checkpoint/training_state.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/checkpoint/checkpoint_writer.hpp"
#include "clip_hpc/checkpoint/load_model.hpp"
#include "clip_hpc/checkpoint/state_file.hpp"
#include "clip_hpc/train/loop.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/optim/mixed_arena.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kStep = 4, kSteps = 8;

class SchemaOne : public testing::Test {
 protected:
  void SetUp() override {
    const char* source = std::getenv("CLIP_HPC_SOURCE_DIR");
    const std::string archive = std::string(source != nullptr ? source : ".") + "/tests/checkpoint/schema_1/run.tar.xz";
    test::on_rank_0([&] {
      const std::string command = fmt::format("tar -xJf '{}' -C '{}' 2>/dev/null", archive, (folder_ / "").string());
      // NOLINTNEXTLINE(cert-env33-c,concurrency-mt-unsafe): names of our own
      if (std::system(command.c_str()) != 0) std::filesystem::remove_all(folder_ / "run");
    });
    if (!std::filesystem::exists(checkpoint() / "manifest.json")) GTEST_SKIP() << "tar and xz cannot open " << archive;
  }
  std::filesystem::path checkpoint() const { return folder_ / "run/checkpoints/step_000000004"; }

  TrainRequest request() const {
    TrainRequest request;
    request.folder = RunFolder{folder_ / "run"};
    OptionTable table;
    describe(table, request.config);
    table.parse({(folder_ / "config.cfg").string()}, {});
    request.config.data.train = {(folder_ / "set").string()};
    request.config.model.config = (folder_ / "tiny.json").string();
    request.config.train.device = test_device().is_cpu() ? "cpu" : "cuda";
    request.config.train.threads = 1;
    request.config_text = "[run]\n";
    return request;
  }

  test::SharedFolder folder_;
};

TEST_F(SchemaOne, ItIsReadToTheBit) {
  const Json manifest = read_json_file(checkpoint() / "manifest.json");
  ASSERT_EQ(manifest.at("schema_version"), 1);
  const ModelConfig config = parse_model_config(manifest.at("about").at("model"), "tiny");
  for (const bool shares : {false, true}) {
    const ArenaShare share = shares ? ArenaShare{test_world().rank(), test_world().size()} : ArenaShare{};
    ClipModel model(config, at::kFloat, at::kCPU, share);
    OptimOptions options;
    options.ema = 0.9;
    Updater updater(model.arena(), options);
    const Progress progress =
        resume(test_world(), RunFolder{folder_ / "run"}, {RunFolder{folder_ / "run"}}, {model, updater}, {});
    EXPECT_EQ(progress.step, kStep);
    EXPECT_EQ(progress.samples_seen, 128);
    EXPECT_EQ(updater.counters.applied.item<std::int64_t>(), kStep);
    // Past the reader under test: the bytes that lie in the file.
    const FileDescriptor file = FileDescriptor::open_read(checkpoint() / "state.h5");
    const std::vector<StateBuffer> stored = open_state_file(checkpoint() / "state.h5");
    const std::vector<NamedBuffer> found = content_of({model, updater}).buffers;
    ASSERT_EQ(found.size(), 4U);
    const ArenaSlice held = model.arena().held();
    for (const NamedBuffer& buffer : found) {
      const auto place = std::ranges::find(stored, buffer.name, &StateBuffer::name);
      ASSERT_NE(place, stored.end()) << buffer.name;
      const at::Tensor all = at::empty({place->numel}, at::kFloat);
      pread_all(file.get(), {static_cast<std::byte*>(all.mutable_data_ptr()), all.nbytes()}, place->offset_bytes,
                "state.h5");
      EXPECT_TRUE(at::equal(buffer.tensor, all.narrow(0, held.begin, held.size()))) << buffer.name;
      if (held.size() > 0) {
        EXPECT_GT(buffer.tensor.abs().max().item<float>(), 0.0F) << buffer.name;
      }
    }
  }
  test_world().barrier();
}

TEST_F(SchemaOne, TrainingGoesOnFromIt) {
  const TrainRequest request = this->request();
  start_log({test_world().rank(), request.folder.log_file()});
  EXPECT_EQ(train(test_world(), request), kExitDone);
  start_log({test_world().rank(), {}});
  test_world().barrier();
  EXPECT_EQ(load_model(checkpoint()).progress.step, kStep);  // for evaluation, too
  const std::filesystem::path end = request.folder.checkpoint_path(kSteps);
  EXPECT_EQ(read_json_file(end / "manifest.json").at("schema_version"), 2);
  for (const char* name : {"model.safetensors", "ema.safetensors"}) {
    const NamedTensors found = read_safetensors(end / name), wanted = read_safetensors(folder_ / "wanted" / name);
    ASSERT_EQ(found.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(found[i].first, wanted[i].first);
      ASSERT_EQ(found[i].second.sizes(), wanted[i].second.sizes()) << wanted[i].first;
      EXPECT_LT((found[i].second - wanted[i].second).abs().max().item<float>(), 1e-5F)
          << name << " " << wanted[i].first;
    }
  }
  test_world().barrier();
}

void take_steps(Updater& updater, std::int64_t first, Communicator& comm) {
  for (std::int64_t t = first; t < first + 3; ++t) {
    updater.arena.gradients().copy_(test::mixed_gradient(t, updater.arena.numel()));
    updater.step(at::ones({}, at::kDouble), at::scalar_tensor(0.01, at::kDouble), comm);
  }
}

CheckpointContent saved_of(Updater& updater) {
  CheckpointContent content;
  content.buffers = {buffer_over(updater.arena, "master", updater.arena.master())};
  for (NamedBuffer& buffer : updater.optimizer->state()) content.buffers.push_back(std::move(buffer));
  content.layout = updater.arena.trained();
  content.about = {{"step", 3}, {"samples_seen", 30}};
  content.counts = {{"applied", updater.counters.applied}, {"skipped", updater.counters.skipped}};
  return content;
}

// Whatever an optimizer keeps: on the same ranks to the bit, and a rank that has all of it goes on from all of it.
TEST(OptimizerState, ItGoesOnFromACheckpointOnAnyNumberOfRanks) {
  const test::SharedFolder folder;
  World& world = test_world();
  const auto comm = make_mpi_communicator(world), alone = make_self_communicator();
  const ArenaShare share{world.rank(), world.size()};
  for (const OptimizerKind& kind : optimizers()) {
    const std::filesystem::path path = folder / (std::string("of_") + kind.name);
    ParameterArena arena = test::mixed_arena(at::kFloat, share), same = test::mixed_arena(at::kFloat, share),
                   whole = test::mixed_arena(at::kFloat);
    const OptimOptions options{.name = kind.name, .lr = 0.01};
    Updater first(arena, options), again(same, options), all(whole, options);
    take_steps(first, 1, *comm);
    save_checkpoint(world, path, saved_of(first));
    for (Updater* one : {&again, &all}) {
      restore_checkpoint(path, saved_of(*one).buffers);
      one->counters.applied.fill_(3);
      one->arena.refresh_weights();
    }
    const std::vector<NamedBuffer> parts = first.optimizer->state(), wholes = all.optimizer->state();
    for (std::size_t i = 0; i < parts.size(); ++i) {
      EXPECT_TRUE(at::equal(parts[i].tensor, wholes[i].tensor.narrow(0, parts[i].first, parts[i].tensor.numel())))
          << kind.name << " " << parts[i].name;
    }
    take_steps(first, 4, *comm);
    take_steps(again, 4, *comm);
    take_steps(all, 4, *alone);
    const ArenaSlice held = arena.held();
    EXPECT_TRUE(at::equal(arena.master(), same.master())) << kind.name;
    EXPECT_TRUE(at::allclose(arena.master(), whole.master().narrow(0, held.begin, held.size()), 1e-4, 1e-4))
        << kind.name;
  }
  world.barrier();
}

// What one optimizer left is no start for another.
TEST_F(SchemaOne, AnotherOptimizerIsRefused) {
  const Json about = read_json_file(checkpoint() / "manifest.json").at("about");
  ClipModel model(parse_model_config(about.at("model"), "tiny"), at::kFloat);
  Updater updater(model.arena(), {});
  updater.name = "another";
  test::expect_error(ErrorKind::input, {"step_000000004", "adamw", "another"}, [&] {
    resume(test_world(), RunFolder{folder_ / "run"}, {RunFolder{folder_ / "run"}}, {model, updater}, {});
  });
  test_world().barrier();
}

}  // namespace
}  // namespace clip_hpc
