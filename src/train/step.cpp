#include "clip_hpc/train/step.hpp"

#include <algorithm>
#include <utility>

#include "clip_hpc/optim/gradient_norm.hpp"
#include "clip_hpc/train/micro_batches.hpp"

namespace clip_hpc {
namespace {

at::Tensor number_on(const ComputeDevice& device) {
  return at::zeros({}, at::TensorOptions().dtype(at::kDouble).device(device.device));
}

// While it lives, LibTorch throws where it would wait for the device.
class NoWaits {
 public:
  explicit NoWaits(bool on) : on_(on) {
    if (on_) device_plane()->forbid_waits(true);
  }
  ~NoWaits() {
    if (on_) device_plane()->forbid_waits(false);
  }
  NoWaits(const NoWaits&) = delete;
  NoWaits& operator=(const NoWaits&) = delete;

 private:
  bool on_;
};

}  // namespace

TrainStep::TrainStep(World& world, const ComputeDevice& device, Communicator& communicator, ClipModel& model,
                     Updater& updater, BatchSplit split, StepOptions options)
    : communicator_(communicator),
      model_(model),
      updater_(updater),
      split_(std::move(split)),
      options_(std::move(options)),
      reducer_(communicator, model.arena(), options_.bucket_mib, options_.reduce_in_fp32),
      feed_(device.device, world.in_flight()),
      clock_(device.device, StepSeconds{}.size()),
      graphed_(world, device, options_.cuda_graph, [this](const PairBatch& batch) { forward_backward_update(batch); }),
      lr_(number_on(device)),
      loss_(number_on(device)),
      grad_norm_(number_on(device)) {
  options_.forbid_waits = options_.forbid_waits && !device.is_cpu();
}

StepResult TrainStep::run(const PairBatch& host, double lr) {
  clock_.start();
  lr_.fill_(lr);
  const PairBatch batch = feed_.put(host);
  {
    const NoWaits no_waits(options_.forbid_waits);
    graphed_.run(batch);
  }
  feed_.done();
  clock_.lap(static_cast<std::size_t>(StepPiece::update));
  return {loss_, grad_norm_};
}

void TrainStep::forward_backward_update(const PairBatch& batch) {
  reducer_.disarm();  // a step that could not be recorded may have left it armed
  model_.arena().zero_gradients();
  lap(StepPiece::prepare);
  const at::Tensor loss = forward_backward(batch);
  lap(StepPiece::backward);
  grad_norm_.copy_(gradient_norm(model_.arena(), communicator_));
  updater_.step(grad_norm_, lr_, communicator_);
  model_.arena().gather_weights(communicator_);
  loss_.copy_(loss.detach());
}

at::Tensor TrainStep::forward_backward(const PairBatch& batch) {
  const auto loss_of = [this](const Encoded& rows, const Scales& scales) {
    return partial_loss(communicator_, options_.terms, project_views(model_, rows), scales, split_, options_.loss);
  };
  if (options_.micro_batch > 0 && options_.micro_batch < batch.rows()) {
    return backward_in_micro_batches(model_, reducer_, batch, options_.micro_batch, loss_of);
  }
  const at::Tensor loss = loss_of(encode(model_, batch), scales_of(model_));
  lap(StepPiece::forward);
  reducer_.start();  // gradients land in the arena; a bucket travels as soon as it is full
  loss.backward();
  reducer_.finish();
  return loss;
}

// A graph has no inside that a clock could see.
void TrainStep::lap(StepPiece piece) {
  if (!options_.cuda_graph) clock_.lap(static_cast<std::size_t>(piece));
}

StepSeconds TrainStep::collect_s() {
  StepSeconds seconds{};
  std::ranges::copy(clock_.collect_s(), seconds.begin());
  return seconds;
}

}  // namespace clip_hpc
