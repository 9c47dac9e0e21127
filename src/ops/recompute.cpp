#include "clip_hpc/ops/recompute.hpp"

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>

#include <memory>
#include <utility>

namespace clip_hpc {
namespace {

struct Recompute : torch::autograd::Node {
  std::function<at::Tensor(const at::Tensor&)> piece;
  torch::autograd::SavedVariable x;

  torch::autograd::variable_list apply(torch::autograd::variable_list&& grads) override {
    const at::Tensor input = x.unpack().detach().requires_grad_();
    at::Tensor again;
    {
      const at::AutoGradMode with_grad(true);
      again = piece(input);
    }
    torch::autograd::backward({again}, {grads[0]});
    return {input.grad()};
  }
  void release_variables() override { x.reset_data(); }
};

}  // namespace

at::Tensor recomputed(std::function<at::Tensor(const at::Tensor&)> piece, const at::Tensor& x) {
  // Nothing before it is trained: a piece that is frozen has no backward pass at all, and one that is not keeps its
  // own.
  if (!x.requires_grad()) return piece(x);
  at::Tensor y;
  {
    const at::NoGradGuard no_grad;
    y = piece(x);
  }
  if (!at::GradMode::is_enabled()) return y;
  const auto node = std::shared_ptr<Recompute>(new Recompute, torch::autograd::deleteNode);
  node->piece = std::move(piece);
  node->x = torch::autograd::SavedVariable(x, false);
  node->set_next_edges(torch::autograd::collect_next_edges(x));
  torch::autograd::set_history(y, node);
  return y;
}

}  // namespace clip_hpc
