// LAMB: AdamW's step, in each decayed tensor made as long as the tensor is. (You et al. 2020, arXiv 1904.00962; the
// arithmetic of timm's Lamb, which is apex's: decay inside of the step, bias correction, tensors without decay as they
// are.)
#include <ATen/ATen.h>

#include "clip_hpc/optim/optimizer.hpp"
#include "optim/tensor_pieces.hpp"

namespace clip_hpc {
namespace {

class Lamb final : public Optimizer {
 public:
  Lamb(ParameterArena& arena, const OptimOptions& options, const UpdateCounters& counters)
      : arena_(arena),
        options_(options),
        counters_(counters),
        pieces_(tensor_pieces(arena)),
        m_(at::zeros_like(arena.master())),
        v_(at::zeros_like(arena.master())),
        squares_(at::zeros({std::max<std::int64_t>(1, std::ssize(arena.trained())), 2},
                           at::TensorOptions(at::kDouble).device(arena.master().device()))) {}

  void step(const at::Tensor& norm, const at::Tensor& lr, Communicator& comm) override {
    const StepGate gate(norm, options_.clip_norm);
    const at::Tensor t = counters_.applied.to(at::kDouble).clamp_min(1);
    const at::Tensor correction1 = (1.0 - at::pow(options_.beta1, t)).to(at::kFloat);
    const at::Tensor correction2 = (1.0 - at::pow(options_.beta2, t)).sqrt().to(at::kFloat);
    squares_.zero_();
    for (const TensorPiece& piece : pieces_) {
      const at::Tensor g = gate.gradient(arena_, piece), m = part(m_, piece), v = part(v_, piece);
      gate.assign(m, options_.beta1 * m + (1.0 - options_.beta1) * g);
      gate.assign(v, options_.beta2 * v + (1.0 - options_.beta2) * g * g);
      if (!adapts(piece)) continue;
      const at::Tensor of_weights = part(arena_.master(), piece).square().sum(at::kDouble);
      const at::Tensor of_step = direction(piece, correction1, correction2).square().sum(at::kDouble);
      squares_.select(0, piece.tensor).copy_(at::stack({of_weights, of_step}));
    }
    if (arena_.share().parts > 1) comm.all_reduce(squares_, ReduceOp::sum);
    const at::Tensor ratios = trust_ratios();
    for (const TensorPiece& piece : pieces_) {
      const at::Tensor x = part(arena_.master(), piece);
      at::Tensor rate = lr.to(at::kFloat) * piece.lr_scale;
      if (adapts(piece)) rate = rate * ratios.select(0, piece.tensor);
      gate.assign(x, x - rate * direction(piece, correction1, correction2));
    }
    arena_.refresh_weights();
  }

  std::vector<NamedBuffer> state() override { return {buffer_over(arena_, "m", m_), buffer_over(arena_, "v", v_)}; }

 private:
  static at::Tensor part(const at::Tensor& held, const TensorPiece& piece) {
    return held.narrow(0, piece.begin, piece.count);
  }

  bool adapts(const TensorPiece& piece) const { return piece.decays && options_.weight_decay > 0; }

  at::Tensor direction(const TensorPiece& piece, const at::Tensor& correction1, const at::Tensor& correction2) const {
    const at::Tensor step =
        part(m_, piece) / correction1 / (part(v_, piece).sqrt() / correction2 + options_.eps);  // [count]
    return piece.decays ? step + options_.weight_decay * part(arena_.master(), piece) : step;
  }

  // [tensors] fp32: the length of the weights by that of the step; 1 where one of them has none.
  at::Tensor trust_ratios() const {
    const at::Tensor lengths = squares_.sqrt(), weights = lengths.select(1, 0), step = lengths.select(1, 1);
    return at::where((weights > 0).logical_and(step > 0), weights / step, 1.0).to(at::kFloat);
  }

  ParameterArena& arena_;
  OptimOptions options_;
  UpdateCounters counters_;
  std::vector<TensorPiece> pieces_;
  at::Tensor m_, v_;    // [held] fp32
  at::Tensor squares_;  // [tensors, 2] fp64: squared lengths of weights and step
};

}  // namespace

OptimizerKind lamb() {
  return {
      "lamb",
      "adamw's step, in each decayed tensor as long as the tensor is; for large batches, with a learning rate about "
      "ten times adamw's",
      [](ParameterArena& arena, const OptimOptions& options, const UpdateCounters& counters)
          -> std::unique_ptr<Optimizer> { return std::make_unique<Lamb>(arena, options, counters); }};
}

}  // namespace clip_hpc
