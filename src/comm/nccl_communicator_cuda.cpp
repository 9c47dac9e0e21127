// The NCCL body of Communicator: one rank a GPU, its own high-priority stream, a communicator that does not block, so
// that a dead peer is an Error after timeout_s and not a hang. Built into libclip_hpc_cuda.so.
#include <ATen/core/Tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/Event.h>
#include <c10/cuda/CUDAGraphsC10Utils.h>
#include <c10/cuda/CUDAStream.h>
#include <nccl.h>

#include <chrono>
#include <cstring>
#include <exception>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/device_plane.hpp"
#include "clip_hpc/comm/world.hpp"
#include "comm/nccl_communicator_cuda.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kLate = "did not end within comm.timeout_s: another rank is stuck or gone";

ncclDataType_t type_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return ncclFloat32;
    case at::kDouble:
      return ncclFloat64;
    case at::kBFloat16:
      return ncclBfloat16;
    case at::kHalf:
      return ncclFloat16;
    case at::kInt:
      return ncclInt32;
    case at::kLong:
      return ncclInt64;
    case at::kByte:
    case at::kBool:  // maximum alone, which is a logical or
      return ncclUint8;
    default:
      throw internal_error("NCCL cannot send {}", c10::toString(tensor.scalar_type()));
  }
}

ncclRedOp_t op_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return ncclSum;
    case ReduceOp::mean:
      return ncclAvg;
    case ReduceOp::max:
      return ncclMax;
  }
  return ncclSum;
}

c10::Event make_event(bool timed) {
  return c10::Event(c10::DeviceType::CUDA, timed ? c10::EventFlag::BACKEND_DEFAULT : c10::EventFlag::PYTORCH_DEFAULT);
}

bool is_capturing() { return c10::cuda::currentStreamCaptureStatusMayInitCtx() != c10::cuda::CaptureStatus::None; }

// The handle, and what is needed to notice that it is dead. Shared with the operations on their way.
class Channel {
 public:
  Channel(World& world, const NcclCommunicatorOptions& options)
      : timeout_s_(options.timeout_s), stream_(c10::cuda::getStreamFromPool(true)), in_flight_(world.in_flight()) {
    std::vector<std::byte> id_bytes(sizeof(ncclUniqueId));
    ncclUniqueId id{};
    if (world.rank() == 0) {
      settle(ncclGetUniqueId(&id), "ncclGetUniqueId");
      std::memcpy(id_bytes.data(), &id, sizeof id);
    }
    id_bytes = world.broadcast(std::move(id_bytes));
    std::memcpy(&id, id_bytes.data(), sizeof id);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    settle(ncclCommInitRankConfig(&comm_, world.size(), id, world.rank(), &config), "ncclCommInitRankConfig");
  }

  ~Channel() {
    if (comm_ == nullptr) return;
    if (is_dead_ || std::uncaught_exceptions() > 0) {
      ncclCommAbort(comm_);
      return;
    }
    try {
      settle(ncclCommFinalize(comm_), "ncclCommFinalize");
      ncclCommDestroy(comm_);
    } catch (const Error&) {  // NOLINT(bugprone-empty-catch): settle has aborted it, and the run is over
    }
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  ncclComm_t get() const { return comm_; }
  c10::Stream stream() const { return stream_.unwrap(); }
  cudaStream_t handle() const { return stream_.stream(); }

  // A call of a communicator that does not block returns before it is through: waits for that, not for the device.
  void settle(ncclResult_t code, const char* call) {
    const Timer timer;
    while (code == ncclInProgress) {
      if (timer.seconds() > timeout_s_) fail(call, kLate, ErrorKind::hang);
      code = asked();
    }
    if (code != ncclSuccess) fail(call, ncclGetErrorString(code));
  }

  // Polls, so that the death of a peer ends the wait.
  void wait(const c10::Event& event) {
    const InFlightMark mark(*in_flight_, "the device's queue");
    const Timer timer;
    auto pause = std::chrono::microseconds(5);
    while (!event.query()) {
      if (const ncclResult_t code = asked(); code != ncclSuccess && code != ncclInProgress) {
        fail("an operation on its way", ncclGetErrorString(code));
      }
      if (timer.seconds() > timeout_s_) {
        fail("an operation on its way", kLate, ErrorKind::hang);
      }
      std::this_thread::sleep_for(pause);
      pause = std::min(pause * 2, std::chrono::microseconds(200));
    }
  }

 private:
  ncclResult_t asked() {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t code = ncclCommGetAsyncError(comm_, &state);
    return code == ncclSuccess ? state : code;
  }

  [[noreturn]] void fail(const char* what, const char* why, ErrorKind kind = ErrorKind::comm) {
    const char* const words = comm_ != nullptr ? ncclGetLastError(comm_) : nullptr;
    const std::string detail = words != nullptr && *words != '\0' ? fmt::format(" ({})", words) : "";
    is_dead_ = true;
    if (comm_ != nullptr) ncclCommAbort(std::exchange(comm_, nullptr));
    throw Error(kind, fmt::format("NCCL: {}: {}{}; timeout_s = {}. Set NCCL_DEBUG=WARN for its own report", what, why,
                                  detail, timeout_s_));
  }

  double timeout_s_;
  c10::cuda::CUDAStream stream_;
  std::shared_ptr<InFlight> in_flight_;
  ncclComm_t comm_ = nullptr;
  bool is_dead_ = false;
};

// How long the computing stream stood still for the network, read off when the device is through.
class ExposedTime {
 public:
  void add(c10::Event before, c10::Event after) { spans_.emplace_back(std::move(before), std::move(after)); }
  double collect_s() {  // all events are done
    double seconds = 0;
    for (const auto& [before, after] : spans_) seconds += 1e-3 * before.elapsedTime(after);
    spans_.clear();
    return seconds;
  }

 private:
  std::vector<std::pair<c10::Event, c10::Event>> spans_;
};

c10::Stream current_stream() { return c10::cuda::getCurrentCUDAStream().unwrap(); }

// The computing stream goes on when `done` has happened. The host does not wait.
void join(const c10::Event& done, ExposedTime& exposed) {
  if (is_capturing()) return done.block(current_stream());
  c10::Event before = make_event(true), after = make_event(true);
  before.record(current_stream());
  done.block(current_stream());
  after.record(current_stream());
  exposed.add(std::move(before), std::move(after));
}

class NcclWork final : public Work::Body {
 public:
  NcclWork(std::shared_ptr<Channel> channel, std::shared_ptr<ExposedTime> exposed, at::Tensor tensor, c10::Event done)
      : channel_(std::move(channel)),
        exposed_(std::move(exposed)),
        tensor_(std::move(tensor)),
        done_(std::move(done)) {}
  ~NcclWork() override {
    if (is_joined_ || std::uncaught_exceptions() > 0) return;
    try {
      done_.block(current_stream());  // before the tensor is free
    } catch (const c10::Error&) {     // NOLINT(bugprone-empty-catch): of a recording that was given up, it is no event
    }
  }
  NcclWork(const NcclWork&) = delete;
  NcclWork& operator=(const NcclWork&) = delete;

  bool done() override { return done_.query(); }
  void wait() override {
    join(done_, *exposed_);
    is_joined_ = true;
  }

 private:
  std::shared_ptr<Channel> channel_;
  std::shared_ptr<ExposedTime> exposed_;
  at::Tensor tensor_;
  c10::Event done_;
  bool is_joined_ = false;
};

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(World& world, const NcclCommunicatorOptions& options)
      : Communicator(world.rank(), world.size(), world.in_flight()),
        channel_(std::make_shared<Channel>(world, options)) {}

  std::string_view name() const override { return "nccl"; }
  void progress() override {}  // the device moves things by itself

  void synchronize() override {
    c10::Event end = make_event(false);
    end.record(current_stream());
    channel_->wait(end);
    *wait_s_ += exposed_->collect_s();
  }

 protected:
  void do_all_reduce(const at::Tensor& tensor, ReduceOp op) override {
    join(enqueue_all_reduce(tensor, op), *exposed_);
  }

  Work do_start_all_reduce(const at::Tensor& tensor, ReduceOp op) override {
    return work_on(tensor, enqueue_all_reduce(tensor, op));
  }

  Work do_start_reduce(const at::Tensor& tensor, ReduceOp op, int root) override {
    return work_on(tensor, enqueue(tensor, "ncclReduce", [&] {
                     return ncclReduce(tensor.const_data_ptr(), tensor.mutable_data_ptr(), count(tensor),
                                       type_of(tensor), op_of(op), root, channel_->get(), channel_->handle());
                   }));
  }

  void do_all_gather(const at::Tensor& out, const at::Tensor& in) override {
    join(enqueue(in, "ncclAllGather",
                 [&] {
                   return ncclAllGather(in.const_data_ptr(), out.mutable_data_ptr(), count(in), type_of(in),
                                        channel_->get(), channel_->handle());
                 }),
         *exposed_);
  }

  void do_reduce_scatter(const at::Tensor& out, const at::Tensor& in, ReduceOp op) override {
    join(enqueue(in, "ncclReduceScatter",
                 [&] {
                   return ncclReduceScatter(in.const_data_ptr(), out.mutable_data_ptr(), count(out), type_of(out),
                                            op_of(op), channel_->get(), channel_->handle());
                 }),
         *exposed_);
  }

  void do_broadcast(const at::Tensor& tensor, int root) override {
    join(enqueue(tensor, "ncclBroadcast",
                 [&] {
                   return ncclBroadcast(tensor.const_data_ptr(), tensor.mutable_data_ptr(), count(tensor),
                                        type_of(tensor), root, channel_->get(), channel_->handle());
                 }),
         *exposed_);
  }

  void do_barrier() override {
    const at::Tensor one = at::zeros({1}, at::TensorOptions().dtype(at::kInt).device(at::kCUDA));
    do_all_reduce(one, ReduceOp::sum);
    synchronize();
  }

 private:
  static std::size_t count(const at::Tensor& tensor) { return static_cast<std::size_t>(tensor.numel()); }

  // Behind what the current stream has been asked so far; the event says when it is through.
  template <class Call>
  c10::Event enqueue(const at::Tensor& tensor, const char* name, const Call& call) {
    if (!tensor.is_cuda()) throw internal_error("{}: the tensor is on {}", name, tensor.device().str());
    if (channel_->get() == nullptr) throw comm_error("{}: the NCCL communicator was given up", name);
    c10::Event ready = make_event(false), done = make_event(false);
    ready.record(current_stream());
    ready.block(channel_->stream());
    channel_->settle(call(), name);
    done.record(channel_->stream());
    return done;
  }

  c10::Event enqueue_all_reduce(const at::Tensor& tensor, ReduceOp op) {
    return enqueue(tensor, "ncclAllReduce", [&] {
      return ncclAllReduce(tensor.const_data_ptr(), tensor.mutable_data_ptr(), count(tensor), type_of(tensor),
                           op_of(op), channel_->get(), channel_->handle());
    });
  }

  Work work_on(const at::Tensor& tensor, c10::Event done) {
    return Work(std::make_unique<NcclWork>(channel_, exposed_, tensor, std::move(done)));
  }

  std::shared_ptr<Channel> channel_;
  std::shared_ptr<ExposedTime> exposed_ = std::make_shared<ExposedTime>();
};

std::string version_text(int code) { return fmt::format("{}.{}.{}", code / 10000, code / 100 % 100, code % 100); }

}  // namespace

std::string nccl_version() {
  int loaded = 0;
  if (ncclGetVersion(&loaded) != ncclSuccess) return "unknown";
  const std::string text = version_text(loaded);
  return loaded == NCCL_VERSION_CODE ? text : fmt::format("{} (built for {})", text, version_text(NCCL_VERSION_CODE));
}

std::unique_ptr<Communicator> make_nccl_communicator(World& world, const NcclCommunicatorOptions& options) {
  return std::make_unique<NcclCommunicator>(world, options);
}

}  // namespace clip_hpc
