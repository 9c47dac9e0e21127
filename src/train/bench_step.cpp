#include "clip_hpc/train/bench_step.hpp"

#include <array>
#include <numeric>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/data/sample_plan.hpp"
#include "clip_hpc/loss/contrastive.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/optim/adamw.hpp"
#include "clip_hpc/train/grad_reducer.hpp"
#include "clip_hpc/train/micro_batches.hpp"
#include "clip_hpc/train/session.hpp"

namespace clip_hpc {
namespace {

constexpr int kUnmeasuredSteps = 2;  // memory is allocated, kernels are chosen

}  // namespace

StepRate bench_step(World& world, const StepBenchOptions& options) {
  const auto ranks = static_cast<std::uint64_t>(world.size());
  std::vector<std::int64_t> rows_per_rank;
  for (std::uint64_t r = 0; r < ranks; ++r) {
    rows_per_rank.push_back(
        static_cast<std::int64_t>(rank_slice(static_cast<std::uint64_t>(options.global_batch), ranks, r).size()));
  }
  const std::int64_t rows = rows_per_rank[static_cast<std::size_t>(world.rank())];
  if (rows_per_rank.back() == 0) throw input_error("a batch of {} leaves ranks without a pair", options.global_batch);
  const at::ScalarType compute = scalar_type_of(options.precision);
  const auto comm = make_communicator(world, {});
  const ArenaShare share = options.shard_optimizer ? ArenaShare{world.rank(), world.size()} : ArenaShare{};
  ClipModel model(options.model, compute, at::kCPU, share);
  model.initialise("open_clip", 0);
  model.recompute_blocks(options.recompute);
  AdamWState optimizer = make_adamw_state(model.arena());
  const Strategy strategy = make_strategy(options.strategy);
  const std::int64_t patches = options.model.vision.patches(), kept = strategy.kept_patches(patches);
  const std::int64_t tokens = options.text_tokens > 0 ? options.text_tokens : options.model.text.context_length;
  const std::int64_t size = options.model.vision.image_size;

  // Random pairs; the end token stands where every kind of pooling finds it.
  RandomStream random(0, Purpose::bench, static_cast<std::uint64_t>(world.rank()));
  const at::Tensor bytes = at::empty({rows, 3, size, size}, at::kByte);
  for (std::int64_t i = 0; i < bytes.numel(); ++i) bytes.data_ptr<std::uint8_t>()[i] = random.next_u32() & 0xff;
  at::Tensor ids = at::empty({rows, tokens}, at::kLong);
  for (std::int64_t i = 0; i < ids.numel(); ++i) {
    ids.data_ptr<std::int64_t>()[i] = 3 + random.below(static_cast<std::uint32_t>(options.model.text.vocab_size - 4));
  }
  ids.select(1, tokens - 1)
      .fill_(options.model.text.pool_type == "eos" ? options.model.text.eos_id : options.model.text.vocab_size - 1);
  std::vector<std::uint64_t> positions(static_cast<std::size_t>(rows));
  std::iota(positions.begin(), positions.end(), std::uint64_t{0});

  GradReducer reducer(*comm, model.arena(), CommOptions{}.bucket_mib);
  StepRate rate;
  rate.gemm_tflops = measured_gemm_tflops(compute);
  world.barrier();
  Timer all, part;
  const auto lap = [&part] {
    const double ms = part.milliseconds();
    part.restart();
    return ms;
  };
  for (int step = 0;; ++step) {
    if (step == kUnmeasuredSteps) {
      const double gemm_tflops = rate.gemm_tflops;
      rate = StepRate{.gemm_tflops = gemm_tflops};
      all.restart();
    }
    // Rank 0's clock decides for all.
    World::ControlFlags flags{};
    flags[0] = world.rank() == 0 && step > kUnmeasuredSteps && all.seconds() > options.seconds ? 1 : 0;
    world.start_flags(flags);
    if (world.wait_flags()[0] != 0) break;

    part.restart();
    const double waited_s = comm->wait_s();
    PairBatch pairs{bytes, ids, std::nullopt};
    if (kept < patches) pairs.kept = draw_kept_patches(0, positions, patches, kept);
    model.arena().zero_gradients();
    rate.prepare_ms += lap();
    if (options.micro_batch == 0 || options.micro_batch >= rows) {
      const Features features = encode(model, pairs);
      const at::Tensor loss = contrastive_loss_share(*comm, features.image, features.text, model.logit_scale(),
                                                     rows_per_rank, options.loss_columns);
      rate.forward_ms += lap();
      reducer.start();
      loss.backward();
      reducer.finish();
    } else {
      backward_in_micro_batches(*comm, model, reducer, pairs, rows_per_rank, options.micro_batch, options.loss_columns);
    }
    rate.backward_ms += lap();
    const at::Tensor norm = gradient_norm(model.arena(), *comm);
    adamw_step(model.arena(), optimizer, norm, OptimOptions{}, 1e-4, model.logit_scale_index());
    model.arena().gather_weights(*comm);
    rate.optimizer_ms += lap();
    rate.comm_wait_ms += 1e3 * (comm->wait_s() - waited_s);
    rate.steps += 1;
  }
  const double seconds = all.seconds(), n = static_cast<double>(rate.steps);
  for (double* sum : {&rate.prepare_ms, &rate.forward_ms, &rate.backward_ms, &rate.optimizer_ms, &rate.comm_wait_ms})
    *sum /= n;
  rate.step_ms = 1e3 * seconds / n;
  rate.pairs_per_s = static_cast<double>(options.global_batch) * n / seconds;
  rate.tflops = 6 * forward_macs(options.model, kept, tokens) * rate.pairs_per_s / world.size() / 1e12;
  rate.state_bytes =
      static_cast<std::int64_t>(model.arena().master().nbytes() + optimizer.m.nbytes() + optimizer.v.nbytes());
  std::array<double, 1> rss{static_cast<double>(peak_rss_bytes())};
  world.all_reduce_max(rss);
  rate.rss_bytes = static_cast<std::int64_t>(rss[0]);
  return rate;
}

}  // namespace clip_hpc
