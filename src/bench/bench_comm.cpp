#include "clip_hpc/bench/bench_comm.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <functional>

#include "clip_hpc/base/timer.hpp"

namespace clip_hpc {
namespace {

// How long one call takes: the ranks agree on the number of rounds, and the slowest rank's time counts.
CommRate timed(World& world, std::string operation, std::int64_t bytes, double seconds, double bus_factor,
               Communicator& comm, const std::function<void()>& call) {
  call();  // connections are made
  comm.synchronize();
  Timer timer;
  call();
  comm.synchronize();
  std::array<double, 1> once{timer.seconds()};
  world.all_reduce_max(once);
  CommRate rate{.operation = std::move(operation), .bytes = bytes};
  rate.rounds = std::clamp<std::int64_t>(static_cast<std::int64_t>(seconds / std::max(once[0], 1e-7)), 3, 100000);
  world.barrier();
  timer.restart();
  for (std::int64_t i = 0; i < rate.rounds; ++i) call();
  comm.synchronize();
  std::array<double, 1> each{timer.seconds() / static_cast<double>(rate.rounds)};
  world.all_reduce_max(each);
  rate.us = 1e6 * each[0];
  rate.algbw_mb_s = static_cast<double>(bytes) / each[0] / 1e6;
  rate.busbw_mb_s = rate.algbw_mb_s * bus_factor;
  return rate;
}

}  // namespace

std::vector<CommRate> bench_comm(World& world, Communicator& comm, std::int64_t bytes, double seconds,
                                 const at::Device& device) {
  const std::int64_t n = comm.size();
  const std::int64_t part = std::max<std::int64_t>(1, bytes / 4 / n);
  const double ranks = static_cast<double>(n), others = (ranks - 1) / ranks;
  const auto options = at::TensorOptions().dtype(at::kFloat).device(device);
  const at::Tensor all = at::empty({n * part}, options), mine = at::empty({part}, options);
  const auto count_wrong = [&](CommRate& rate, const at::Tensor& found, const at::Tensor& expected) {
    std::array<double, 1> wrong{static_cast<double>(found.ne(expected).sum().item<std::int64_t>())};
    world.all_reduce_sum(wrong);
    rate.wrong = static_cast<std::int64_t>(wrong[0]);
  };
  const double sum_of_ranks = ranks * (ranks + 1) / 2;  // rank r brings r + 1
  const double here = comm.rank() + 1;
  std::vector<CommRate> rates;

  rates.push_back(timed(world, "all_reduce", 4 * n * part, seconds, 2 * others, comm,
                        [&] { comm.all_reduce(all, ReduceOp::max); }));
  all.fill_(here);
  comm.all_reduce(all, ReduceOp::sum);
  count_wrong(rates.back(), all, at::full_like(all, sum_of_ranks));

  // What gradients travel by; MPI libraries have other algorithms for it than for the one that blocks.
  rates.push_back(timed(world, "start_all_reduce", 4 * n * part, seconds, 2 * others, comm,
                        [&] { comm.start_all_reduce(all, ReduceOp::max).wait(); }));
  all.fill_(here);
  comm.start_all_reduce(all, ReduceOp::sum).wait();
  count_wrong(rates.back(), all, at::full_like(all, sum_of_ranks));

  rates.push_back(timed(world, "all_gather", 4 * n * part, seconds, others, comm, [&] { comm.all_gather(all, mine); }));
  mine.fill_(here);
  comm.all_gather(all, mine);
  count_wrong(rates.back(), all, at::arange(1, n + 1, options).repeat_interleave(part));

  rates.push_back(timed(world, "reduce_scatter", 4 * n * part, seconds, others, comm,
                        [&] { comm.reduce_scatter(mine, all, ReduceOp::sum); }));
  all.fill_(here);
  comm.reduce_scatter(mine, all, ReduceOp::sum);
  count_wrong(rates.back(), mine, at::full_like(mine, sum_of_ranks));

  rates.push_back(timed(world, "broadcast", 4 * n * part, seconds, 1, comm, [&] { comm.broadcast(all, 0); }));
  all.fill_(here);
  comm.broadcast(all, 0);
  count_wrong(rates.back(), all, at::ones_like(all));
  return rates;
}

}  // namespace clip_hpc
