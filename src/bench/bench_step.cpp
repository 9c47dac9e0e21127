#include "clip_hpc/bench/bench_step.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <set>
#include <span>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/base/random.hpp"
#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/device.hpp"
#include "clip_hpc/comm/gather_with_grad.hpp"
#include "clip_hpc/data/loading/loader.hpp"
#include "clip_hpc/data/loading/sample_plan.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/ops/attention_choice.hpp"
#include "clip_hpc/ops/measure.hpp"
#include "clip_hpc/optim/updater.hpp"
#include "clip_hpc/strategy/branch_draw.hpp"
#include "clip_hpc/train/micro_batches.hpp"
#include "clip_hpc/train/run_checks.hpp"
#include "clip_hpc/train/session.hpp"
#include "clip_hpc/train/step.hpp"

namespace clip_hpc {
namespace {

constexpr int kUnmeasuredSteps = 2;       // memory is allocated, kernels are chosen
constexpr int kUnmeasuredGraphSteps = 6;  // and the graph is recorded

// One batch of random pairs, or batch after batch of a packed set.
class BatchSource {
 public:
  BatchSource(const World& world, const StepBenchOptions& options, const ClipModel& model, std::int64_t rows,
              std::int64_t size, std::int64_t tokens, std::int64_t kept, std::int64_t views)
      : patches_(model.image().patches_at(size)), kept_(kept) {
    RandomStream random(0, Purpose::bench, static_cast<std::uint64_t>(world.rank()));
    pairs_.images = at::empty({views, rows, 3, size, size}, at::kByte);
    for (std::uint8_t& byte : std::span(pairs_.images.data_ptr<std::uint8_t>(), pairs_.images.nbytes())) {
      byte = static_cast<std::uint8_t>(random.next_u32() & 0xff);
    }
    pairs_.ids = at::empty({rows, tokens}, at::kLong);
    for (std::int64_t& id : std::span(pairs_.ids.data_ptr<std::int64_t>(), static_cast<std::size_t>(rows * tokens))) {
      id = 3 + random.below(static_cast<std::uint32_t>(model.text().vocab_size() - 4));
    }
    // The end token stands where every kind of pooling finds it. Lengths as of captions from the web: most are short,
    // some fill the context (exponential, from 3 tokens on).
    const std::int64_t end = model.text().end_token();
    std::vector<std::int32_t> lengths(static_cast<std::size_t>(rows), static_cast<std::int32_t>(tokens));
    if (options.caption_tokens > 0) {
      for (std::int32_t& length : lengths) {
        const double drawn = 3.0 - (options.caption_tokens - 3.0) * std::log(1.0 - random.uniform(0, 1));
        length = static_cast<std::int32_t>(std::min(drawn, static_cast<double>(tokens)));
      }
    }
    for (std::int64_t row = 0; row < rows; ++row) pairs_.ids[row][lengths[static_cast<std::size_t>(row)] - 1] = end;
    mean_tokens_ = std::accumulate(lengths.begin(), lengths.end(), 0.0) / static_cast<double>(rows);
    const std::int64_t longest = *std::ranges::max_element(lengths);
    pairs_.ids = pairs_.ids.slice(1, 0, longest).contiguous();
    if (options.caption_tokens > 0 && options.pack_captions && !options.cuda_graph) {
      pairs_.lengths = lengths;
    } else {
      mean_tokens_ = static_cast<double>(longest);
    }
    positions_.resize(static_cast<std::size_t>(rows));
    std::iota(positions_.begin(), positions_.end(), std::uint64_t{0});
    draws_ = kept < patches_;
    for (std::int64_t view = 0; view < views; ++view) {
      const std::vector<double> rates = model.image().drop_rates();
      drop_rates_.insert(drop_rates_.end(), rates.begin(), rates.end());
    }
    if (options.data.empty()) return;
    LoaderOptions load;
    load.sources = {{std::make_shared<PackedSet>(options.data), 1, {}}};
    load.views.assign(static_cast<std::size_t>(views), parse_view("crop_flip", static_cast<int>(size)));
    load.global_batch = static_cast<std::uint64_t>(options.global_batch);
    load.world = static_cast<std::uint64_t>(world.size());
    load.rank = static_cast<std::uint64_t>(world.rank());
    load.workers = static_cast<int>(options.workers);
    loader_ = std::make_unique<BatchLoader>(std::move(load));
  }

  PairBatch next() {
    if (loader_) {
      if (batch_.step >= 0) loader_->recycle(std::move(batch_));
      batch_ = loader_->next();
      pairs_.images = at::from_blob(batch_.images.data(), pairs_.images.sizes(), at::kByte);
    }
    if (draws_) pairs_.kept = draw_kept_patches(0, positions_, patches_, kept_);
    pairs_.branch_scales = draw_branch_scales(0, positions_, drop_rates_);
    return pairs_;
  }
  double mean_tokens() const { return mean_tokens_; }  // that the text tower computes for a caption
  double waited_s() const { return loader_ ? loader_->counters().wait_s : 0.0; }

 private:
  std::int64_t patches_, kept_;
  bool draws_ = false;
  double mean_tokens_ = 0;
  PairBatch pairs_;
  std::vector<std::uint64_t> positions_;
  std::vector<double> drop_rates_;  // stochastic depth
  std::unique_ptr<BatchLoader> loader_;
  Batch batch_;
};

// Milliseconds of one call, slowest rank. Collective; for about `seconds`.
double time_alone_ms(World& world, Communicator& comm, const at::Device& device, double seconds,
                     const std::function<void()>& call) {
  const auto run = [&](std::int64_t rounds) {
    world.barrier();
    const Timer timer;
    for (std::int64_t i = 0; i < rounds; ++i) call();
    comm.synchronize();
    synchronize_device(device);
    std::array<double, 1> each{timer.milliseconds() / static_cast<double>(rounds)};
    world.all_reduce_max(each);
    return each[0];
  };
  run(1);
  const double once_ms = run(1);
  return run(std::clamp<std::int64_t>(static_cast<std::int64_t>(1e3 * seconds / std::max(once_ms, 1e-3)), 3, 200));
}

// The exchanges of a step with nothing beside them: what of them a step does not show was hidden behind its work.
void time_exchanges(World& world, Communicator& comm, const at::Device& device, const StepBenchOptions& options,
                    std::span<const std::int64_t> rows_per_rank, GradReducer& reducer, StepRate& rate) {
  rate.gradient_bytes = reducer.bytes();
  rate.gradient_buckets = static_cast<std::int64_t>(reducer.buckets());
  rate.gather_bytes = 4 * options.model.embed_dim * options.global_batch;  // texts in fp32
  if (comm.size() == 1) return;
  const double seconds = options.seconds / 4;
  rate.gradients_alone_ms = time_alone_ms(world, comm, device, seconds, [&] { reducer.exchange(); });
  const auto type = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor texts =
      at::ones({rows_per_rank[static_cast<std::size_t>(comm.rank())], options.model.embed_dim}, type);
  const at::Tensor one_a_text = at::ones({options.global_batch}, type);
  rate.gather_alone_ms = time_alone_ms(world, comm, device, seconds, [&] {  // as the softmax loss does it
    const at::Tensor all = all_rows(comm, texts, rows_per_rank);
    comm.all_reduce(one_a_text, ReduceOp::max);
    comm.all_reduce(one_a_text, ReduceOp::max);
    sum_to_owner(comm, all, rows_per_rank);
  });
}

// All ranks bring theirs; rank 0 gets all.
std::vector<RankTime> gather_rank_steps(World& world, const RankTime& mine) {
  const Json json = {mine.host,         mine.step_ms,       mine.work_ms,        mine.comm_wait_ms,
                     mine.data_wait_ms, mine.least_work_ms, mine.median_work_ms, mine.most_work_ms};
  std::vector<RankTime> all;
  for (const std::string& line : world.gather_strings(json.dump())) {
    const Json one = Json::parse(line);
    all.push_back({.rank = static_cast<int>(all.size()),
                   .host = one[0],
                   .step_ms = one[1],
                   .work_ms = one[2],
                   .comm_wait_ms = one[3],
                   .data_wait_ms = one[4],
                   .least_work_ms = one[5],
                   .median_work_ms = one[6],
                   .most_work_ms = one[7]});
  }
  return all;
}

}  // namespace

namespace {

// What is measured: the step of a training run, on a model that no one trained before.
struct Bench {
  Bench(World& of, const StepBenchOptions& asked)
      : world(of),
        options(asked),
        split(even_split(asked.global_batch, of.size(), of.rank(), "--batch")),
        compute(scalar_type_of(asked.precision)),
        device(choose_device(of, asked.device)),
        communicator(make_communicator(of, {}, device)),
        strategy(make_strategy(asked.strategy)),
        model(as_trained_by(strategy, asked.model), compute, device.device,
              asked.shard_optimizer ? ArenaShare{of.rank(), of.size()} : ArenaShare{}) {
    check_parts(model, options.micro_batch, options.recompute, "--micro-batch", "--recompute");
    check_phases(model, strategy);
    model.initialise("open_clip", 0);
    model.recompute_blocks(options.recompute);
    model.take_statistics_over(*communicator);
  }
  bool is_whole() const { return options.micro_batch == 0 || options.micro_batch >= split.rows(); }
  std::int64_t image_size() const {
    const std::int64_t asked = strategy.phases[0].image_size;
    return asked > 0 ? asked : model.image().image_size();
  }
  std::int64_t kept() const { return strategy.phases[0].kept_patches(model.image().patches_at(image_size())); }
  std::int64_t tokens() const { return options.text_tokens > 0 ? options.text_tokens : model.text().context(); }

  World& world;
  const StepBenchOptions& options;
  BatchSplit split;
  at::ScalarType compute;
  ComputeDevice device;
  std::unique_ptr<Communicator> communicator;
  Strategy strategy;
  ClipModel model;
};

// The waits and the time of the measured steps, on this rank.
struct Measured {
  double seconds = 0, data_wait_s = 0, comm_wait_s = 0;
  std::int64_t steps = 0;
  std::vector<double> works_ms;  // of each step, on a CPU
  StepSeconds pieces_s{};
};

// Collective. Steps for options.seconds after those in which memory is taken.
Measured measure_steps(Bench& bench, TrainStep& step, BatchSource& source) {
  World& world = bench.world;
  Communicator& comm = *bench.communicator;
  const at::Device device = bench.device.device;
  world.barrier();
  Timer all;
  Measured sums;
  double data_before_s = 0, comm_before_s = 0, flags_s = 0;
  const int unmeasured = bench.options.cuda_graph ? kUnmeasuredGraphSteps : kUnmeasuredSteps;
  for (int n = 0;; ++n) {
    if (n == unmeasured) {
      comm.synchronize();
      synchronize_device(device);
      step.collect_s();
      device_peak(device, true);
      data_before_s = source.waited_s();
      comm_before_s = comm.wait_s();
      flags_s = 0;
      sums = {};
      all.restart();
    }
    // Rank 0's clock decides for all, while the step is on its way, as in training.
    World::ControlFlags flags{};
    flags[0] = world.rank() == 0 && n > unmeasured && all.seconds() > bench.options.seconds ? 1 : 0;
    world.start_flags(flags);
    const Timer step_timer;
    const double before_s = comm.wait_s() + source.waited_s();
    step.run(source.next(), 1e-4);
    sums.steps += 1;
    if (device.is_cpu()) {
      sums.works_ms.push_back(step_timer.milliseconds() - 1e3 * (comm.wait_s() + source.waited_s() - before_s));
    }
    const Timer flags_timer;
    const bool is_last = world.wait_flags()[0] != 0;
    if (device.is_cpu()) flags_s += flags_timer.seconds();  // a GPU has the step still to do
    if (is_last) break;
  }
  comm.synchronize();
  synchronize_device(device);
  sums.seconds = all.seconds();
  sums.pieces_s = step.collect_s();
  sums.data_wait_s = source.waited_s() - data_before_s;
  sums.comm_wait_s = comm.wait_s() - comm_before_s + flags_s;
  return sums;
}

void note_times(const Measured& sums, StepRate& rate) {
  const auto n = static_cast<double>(sums.steps);
  const auto piece_ms = [&](StepPiece piece) { return 1e3 * sums.pieces_s[static_cast<std::size_t>(piece)] / n; };
  rate.steps = sums.steps;
  rate.prepare_ms = piece_ms(StepPiece::prepare);
  rate.forward_ms = piece_ms(StepPiece::forward);
  rate.backward_ms = piece_ms(StepPiece::backward);
  rate.optimizer_ms = piece_ms(StepPiece::update);
  rate.comm_wait_ms = 1e3 * sums.comm_wait_s / n;
  rate.data_wait_ms = 1e3 * sums.data_wait_s / n;
  rate.step_ms = 1e3 * sums.seconds / n;
  rate.gap_ms = rate.step_ms - 1e3 * std::accumulate(sums.pieces_s.begin(), sums.pieces_s.end(), 0.0) / n;
}

// Collective.
void note_ranks(World& world, std::vector<double> works_ms, StepRate& rate) {
  RankTime mine{.rank = world.rank(),
                .host = world.host_name(),
                .step_ms = rate.step_ms,
                .work_ms = rate.step_ms - rate.comm_wait_ms - rate.data_wait_ms,
                .comm_wait_ms = rate.comm_wait_ms,
                .data_wait_ms = rate.data_wait_ms};
  mine.least_work_ms = mine.median_work_ms = mine.most_work_ms = mine.work_ms;
  if (!works_ms.empty()) {
    std::ranges::sort(works_ms);
    mine.least_work_ms = works_ms.front();
    mine.median_work_ms = upper_median(works_ms);
    mine.most_work_ms = works_ms.back();
  }
  rate.ranks = gather_rank_steps(world, mine);
  std::set<std::string> hosts;
  for (const RankTime& one : rate.ranks) hosts.insert(one.host);
  rate.nodes = std::max(1, static_cast<int>(hosts.size()));
}

}  // namespace

StepRate bench_step(World& world, const StepBenchOptions& options) {
  Bench bench(world, options);
  Updater updater(bench.model.arena(), {});
  StepRate rate;
  rate.device = bench.device.description;
  rate.comm = bench.communicator->name();
  rate.attention =
      choose_attention(bench.device.device, bench.compute,
                       bench.model.attention_shapes(bench.is_whole() ? bench.split.rows() : options.micro_batch,
                                                    bench.kept(), bench.tokens()),
                       false, options.caption_tokens == 0 || !options.pack_captions || options.cuda_graph)
          .chosen;
  rate.gemm_tflops = measured_gemm_tflops(bench.compute, bench.device.device);
  TrainStep step(world, bench.device, *bench.communicator, bench.model, updater, bench.split,
                 {.terms = bench.strategy.terms,
                  .loss = {.columns = options.loss_columns},
                  .micro_batch = options.micro_batch,
                  .bucket_mib = CommOptions{}.bucket_mib,
                  .cuda_graph = options.cuda_graph});
  BatchSource source(world, options, bench.model, bench.split.rows(), bench.image_size(), bench.tokens(), bench.kept(),
                     std::ssize(bench.strategy.views));
  const Measured sums = measure_steps(bench, step, source);
  note_times(sums, rate);
  note_ranks(world, sums.works_ms, rate);
  time_exchanges(world, *bench.communicator, bench.device.device, options, bench.split.rows_per_rank, step.reducer(),
                 rate);
  rate.pairs_per_s = static_cast<double>(options.global_batch * sums.steps) / sums.seconds;
  rate.text_tokens = source.mean_tokens();
  const double macs = bench.model.forward_macs(bench.kept(), std::llround(rate.text_tokens), bench.image_size()) +
                      bench.model.further_view_macs(std::ssize(bench.strategy.views) - 1, bench.image_size());
  rate.tflops = 6 * macs * rate.pairs_per_s / world.size() / 1e12;
  rate.state_bytes = static_cast<std::int64_t>(bench.model.arena().master().nbytes()) + updater.state_bytes();
  rate.graph_refusal = step.graph_refusal();
  std::array<double, 2> memory{static_cast<double>(peak_rss_bytes()),
                               static_cast<double>(device_peak(bench.device.device).allocated_bytes)};
  world.all_reduce_max(memory);
  rate.rss_bytes = static_cast<std::int64_t>(memory[0]);
  rate.device_bytes = static_cast<std::int64_t>(memory[1]);
  return rate;
}

}  // namespace clip_hpc
