// One rank of many without the others: they have this rank's rows. What it computes and holds is what a rank of such a
// job does; what it receives is not.
#pragma once

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

class SimulatedCommunicator final : public Communicator {
 public:
  // `rows`: stands in for what a broadcast of another rank brings.
  SimulatedCommunicator(int ranks, at::Tensor rows)
      : Communicator(0, ranks, std::make_shared<InFlight>()), rows_(std::move(rows)) {}
  std::string_view name() const override { return "simulated"; }
  void progress() override {}

 protected:
  void do_all_reduce(const at::Tensor&, ReduceOp) override {}
  void do_all_gather(const at::Tensor& out, const at::Tensor& in) override {
    const at::NoGradGuard no_gradients;
    out.view({size(), -1}).copy_(in.reshape({1, -1}).expand({size(), in.numel()}));
  }
  void do_reduce_scatter(const at::Tensor& out, const at::Tensor& in, ReduceOp) override {
    const at::NoGradGuard no_gradients;
    out.copy_(in.narrow(0, 0, out.size(0)));
  }
  void do_broadcast(const at::Tensor& tensor, int root) override {
    const at::NoGradGuard no_gradients;
    if (root != rank()) tensor.copy_(rows_);
  }
  void do_barrier() override {}
  Work do_start_all_reduce(const at::Tensor&, ReduceOp) override { return {}; }
  Work do_start_reduce(const at::Tensor&, ReduceOp, int) override { return {}; }

 private:
  at::Tensor rows_;
};

}  // namespace clip_hpc
