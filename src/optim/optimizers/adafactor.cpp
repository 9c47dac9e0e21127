// Adafactor as big_vision trains with it: factored second moments without bias correction, an average of the updates
// that is kept in bf16, decay by the schedule alone. (Shazeer and Stern 2018, Zhai et al. 2022; scale_by_adafactor of
// big_vision/optax.py. Its clipping of updates is off there and does not exist here.)
#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "clip_hpc/optim/optimizer.hpp"
#include "optim/tensor_pieces.hpp"

namespace clip_hpc {
namespace {

constexpr double kEps = 1e-30;          // added to squared gradients
constexpr double kDecayExponent = 0.8;  // beta2 of update t: 1 - t^-0.8
constexpr std::int64_t kLeastFactored = 32;

// Where the second moments of a tensor lie among all, and over which axes they are factored: the largest and the
// second one; of two equal ones the later counts as larger, as in optax.
struct Moments {
  std::int64_t offset, length;
  bool is_factored;
  std::int64_t largest, second;
  std::vector<std::int64_t> rows, columns;  // shapes: without the largest axis, and without the second

  static Moments of(const std::vector<std::int64_t>& extents, std::int64_t offset) {
    std::vector<std::int64_t> order(extents.size());
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, {}, [&](std::int64_t axis) { return extents[static_cast<std::size_t>(axis)]; });
    const auto size = [](const std::vector<std::int64_t>& shape) { return c10::multiply_integers(shape); };
    if (order.size() < 2 || extents[static_cast<std::size_t>(order[order.size() - 2])] < kLeastFactored) {
      return {offset, size(extents), false, 0, 0, {}, {}};
    }
    Moments moments{offset, 0, true, order.back(), order[order.size() - 2], extents, extents};
    moments.rows[static_cast<std::size_t>(moments.largest)] = 1;
    moments.columns[static_cast<std::size_t>(moments.second)] = 1;
    moments.length = size(moments.rows) + size(moments.columns);
    return moments;
  }

  at::Tensor row_view(const at::Tensor& all) const {
    return all.narrow(0, offset, c10::multiply_integers(rows)).view(rows);
  }
  at::Tensor column_view(const at::Tensor& all) const {
    const std::int64_t numel = c10::multiply_integers(columns);
    return all.narrow(0, offset + length - numel, numel).view(columns);
  }
};

class Adafactor final : public Optimizer {
 public:
  Adafactor(ParameterArena& arena, const OptimOptions& options, const UpdateCounters& counters)
      : arena_(arena), options_(options), counters_(counters), pieces_(tensor_pieces(arena)) {
    std::int64_t length = 0;
    for (const ParameterSpec& spec : arena.trained()) {
      moments_.push_back(Moments::of(spec.factored_as.empty() ? spec.shape : spec.factored_as, length));
      length += moments_.back().length;
    }
    second_ = at::zeros({length}, arena.master().options());
    squares_ = at::zeros_like(second_);
    // An even number, since a checkpoint takes two of them as one fp32.
    first_ = at::zeros({(arena.held().size() + 1) / 2 * 2}, arena.master().options().dtype(at::kBFloat16));
  }

  void step(const at::Tensor& norm, const at::Tensor& lr, Communicator& comm) override {
    const StepGate gate(norm, options_.clip_norm);
    squares_.zero_();
    for (const TensorPiece& piece : pieces_) add_squares(gate, piece);
    // Parts of one tensor add up; of a whole one the others add zeros.
    if (arena_.share().parts > 1) comm.all_reduce(squares_, ReduceOp::sum);
    const at::Tensor t = counters_.applied.to(at::kDouble).clamp_min(1);
    const at::Tensor beta2 = (1.0 - t.pow(-kDecayExponent)).clamp_max(options_.beta2);
    gate.assign(second_, second_ * beta2.to(at::kFloat) + squares_ * (1.0 - beta2).to(at::kFloat));
    const at::Tensor rate = lr.to(at::kFloat);
    const at::Tensor decay = (lr * (options_.lr > 0 ? options_.weight_decay / options_.lr : 0.0)).to(at::kFloat);
    for (const TensorPiece& piece : pieces_) update(gate, piece, rate, decay);
    arena_.refresh_weights();
  }

  std::vector<NamedBuffer> state() override {
    NamedBuffer pairs = buffer_over(arena_, "m_bf16_pairs", first_.view(at::kFloat));
    pairs.first /= 2;  // parts begin at multiples of 64
    pairs.numel = (pairs.numel + 1) / 2;
    return {std::move(pairs), {"second_moments", second_}};
  }

 private:
  const Moments& moments_of(const TensorPiece& piece) const { return moments_[static_cast<std::size_t>(piece.tensor)]; }

  void add_squares(const StepGate& gate, const TensorPiece& piece) {
    const Moments& moments = moments_of(piece);
    at::Tensor squares = gate.gradient(arena_, piece).square_().add_(kEps);  // [count]
    if (!moments.is_factored) {
      squares_.narrow(0, moments.offset + piece.first, piece.count).copy_(squares);
      return;
    }
    if (!piece.is_whole()) {
      const at::Tensor padded = at::zeros({piece.numel}, squares.options());
      padded.narrow(0, piece.first, piece.count).copy_(squares);
      squares = padded;
    }
    squares = squares.view(piece.extents);
    moments.row_view(squares_).copy_(squares.mean(moments.largest, true));
    moments.column_view(squares_).copy_(squares.mean(moments.second, true));
  }

  // [count]: what a gradient is multiplied with.
  at::Tensor scale(const TensorPiece& piece) const {
    const Moments& moments = moments_of(piece);
    if (!moments.is_factored) return second_.narrow(0, moments.offset + piece.first, piece.count).rsqrt();
    const at::Tensor rows = moments.row_view(second_);
    const at::Tensor of_rows = (rows / rows.mean(moments.second, true)).rsqrt_();
    const at::Tensor whole = (of_rows * moments.column_view(second_).rsqrt()).view({-1});  // [numel]
    return whole.narrow(0, piece.first, piece.count);
  }

  void update(const StepGate& gate, const TensorPiece& piece, const at::Tensor& rate, const at::Tensor& decay) {
    const at::Tensor kept = first_.narrow(0, piece.begin, piece.count);
    // Unrounded in this update; what is kept of it is rounded.
    const at::Tensor m = kept.to(at::kFloat)
                             .mul_(options_.beta1)
                             .add_(gate.gradient(arena_, piece).mul_(scale(piece)), 1.0 - options_.beta1);
    gate.assign(kept, m.to(at::kBFloat16));
    const at::Tensor x = arena_.master().narrow(0, piece.begin, piece.count);
    at::Tensor moved = x - m * (rate * piece.lr_scale);
    if (piece.decays) moved -= x * (decay * piece.lr_scale);
    gate.assign(x, moved);
  }

  ParameterArena& arena_;
  OptimOptions options_;
  UpdateCounters counters_;
  std::vector<TensorPiece> pieces_;
  std::vector<Moments> moments_;  // by tensor
  at::Tensor first_;              // [held, and one more if that is odd] bf16
  // [all moments] fp32, whole on every rank: rows and columns are small, and a tensor may lie on two ranks.
  at::Tensor second_, squares_;
};

}  // namespace

OptimizerKind adafactor() {
  return {"adafactor",
          "big_vision's: factored second moments whose decay grows to beta2 (0.999), a first moment in bf16, "
          "weight_decay multiplied by the schedule alone and not by lr (1e-4 there); eps is not used",
          [](ParameterArena& arena, const OptimOptions& options, const UpdateCounters& counters)
              -> std::unique_ptr<Optimizer> { return std::make_unique<Adafactor>(arena, options, counters); }};
}

}  // namespace clip_hpc
