#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <limits>
#include <utility>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/comm/world.hpp"
#include "comm/mpi_check.hpp"
#include "comm/mpi_types.hpp"

namespace clip_hpc {
namespace {

// The bytes that MPI works on. Device tensors pass through pinned host memory, which LibTorch keeps between calls.
class HostView {
 public:
  explicit HostView(const at::Tensor& tensor) : tensor_(tensor), host_(tensor) {
    if (tensor.is_cpu()) return;
    const c10::AutoGradMode no_grad(false);
    host_ = at::empty(tensor.sizes(), tensor.options().device(at::kCPU).pinned_memory(true));
    host_.copy_(tensor);  // waits for the kernels that write it
  }
  const at::Tensor& host() const { return host_; }
  std::byte* bytes() const { return static_cast<std::byte*>(host_.mutable_data_ptr()); }
  const std::byte* const_bytes() const { return static_cast<const std::byte*>(host_.const_data_ptr()); }
  void give_back(int divide_by = 1) const {
    const c10::AutoGradMode no_grad(false);  // transport, not arithmetic
    if (divide_by > 1) host_.div_(divide_by);
    if (!tensor_.is_cpu()) tensor_.copy_(host_);
  }

 private:
  at::Tensor tensor_;
  at::Tensor host_;
};

class MpiComm {  // a duplicate of the world's communicator that frees itself
 public:
  MpiComm() {
    mpi_check(MPI_Comm_dup(mpi::world_comm(), &comm_), "MPI_Comm_dup");
    mpi_check(MPI_Comm_set_errhandler(comm_, mpi::errors_return()), "MPI_Comm_set_errhandler");
  }
  ~MpiComm() {
    int is_down = 0;
    MPI_Finalized(&is_down);
    if (is_down == 0) MPI_Comm_free(&comm_);
  }
  MpiComm(const MpiComm&) = delete;
  MpiComm& operator=(const MpiComm&) = delete;
  MPI_Comm get() const { return comm_; }

 private:
  MPI_Comm comm_ = mpi::null_comm();
};

struct Channel {  // what an operation on its way still needs, even when its communicator is gone
  MpiComm comm;
  MpiTypes types;
};

class MpiWork final : public Work::Body {
 public:
  MpiWork(std::shared_ptr<Channel> channel, HostView view, int divide_by, double timeout_s, bool gives_back,
          std::shared_ptr<InFlight> in_flight, std::shared_ptr<double> wait_s)
      : channel_(std::move(channel)),
        view_(std::make_unique<HostView>(std::move(view))),
        divide_by_(divide_by),
        timeout_s_(timeout_s),
        gives_back_(gives_back),
        in_flight_(std::move(in_flight)),
        wait_s_(std::move(wait_s)) {}

  ~MpiWork() override {
    if (finished_) return;
    // MPI may still write: wait, except where another rank may never come (an Error is on its way to main's abort) or
    // MPI itself failed. Then the memory and the communicator are left to the process on purpose.
    if (!failed_ && std::uncaught_exceptions() == 0 &&
        MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), mpi::no_statuses()) == MPI_SUCCESS) {
      return;
    }
    [[maybe_unused]] const HostView* left_memory = view_.release();
    [[maybe_unused]] const auto* left_channel = new std::shared_ptr<Channel>(channel_);
  }
  MpiWork(const MpiWork&) = delete;
  MpiWork& operator=(const MpiWork&) = delete;

  MPI_Request* next_request() { return &requests_.emplace_back(mpi::null_request()); }

  bool done() override { return finished_ || test(); }

  // Polls instead of MPI_Waitall, so that a rank that died is an Error after timeout_s.
  void wait() override {
    const InFlightMark mark(*in_flight_, "Work::wait (reduction)");
    const Timer timer;
    while (!test()) {
      if (timer.seconds() <= timeout_s_) continue;
      failed_ = true;
      throw Error(ErrorKind::hang,
                  fmt::format("a reduction of {} bytes did not end within comm.timeout_s = {} s: another rank is stuck "
                              "or gone",
                              view_->host().nbytes(), timeout_s_));
    }
    if (gives_back_) view_->give_back(divide_by_);
    finished_ = true;
    *wait_s_ += timer.seconds();
  }

 private:
  bool test() {
    int all = 0;
    const int code = MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, mpi::no_statuses());
    failed_ = failed_ || code != MPI_SUCCESS;
    mpi_check(code, "MPI_Testall");
    return all != 0;
  }

  std::shared_ptr<Channel> channel_;
  std::unique_ptr<HostView> view_;
  std::vector<MPI_Request> requests_;
  int divide_by_;
  double timeout_s_;
  bool gives_back_;  // false: the result is another rank's
  std::shared_ptr<InFlight> in_flight_;
  std::shared_ptr<double> wait_s_;
  bool finished_ = false;
  bool failed_ = false;
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(World& world, const MpiCommunicatorOptions& options)
      : Communicator(world.rank(), world.size(), world.in_flight()), options_(options) {}

  std::string_view name() const override { return "mpi"; }

  void progress() override {  // any call into MPI moves what is on its way
    int found = 0;
    mpi_check(MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, channel_->comm.get(), &found, mpi::no_status()), "MPI_Iprobe");
  }

 protected:
  void do_all_reduce(const at::Tensor& tensor, ReduceOp op) override {
    const HostView view(tensor);
    const MPI_Datatype type = channel_->types.type_of(tensor.scalar_type());
    const MPI_Op mpi_op = channel_->types.op_of(tensor.scalar_type(), op);
    pieces(tensor, 1, [&](std::int64_t begin, int count) {
      mpi_check(MPI_Allreduce(mpi::in_place(), view.bytes() + begin * tensor.element_size(), count, type, mpi_op,
                              channel_->comm.get()),
                "MPI_Allreduce");
    });
    view.give_back(divisor(op));
  }

  Work do_start_all_reduce(const at::Tensor& tensor, ReduceOp op) override {
    const HostView view(tensor);
    auto work = std::make_unique<MpiWork>(channel_, view, divisor(op), options_.timeout_s, true, in_flight_, wait_s_);
    const MPI_Datatype type = channel_->types.type_of(tensor.scalar_type());
    const MPI_Op mpi_op = channel_->types.op_of(tensor.scalar_type(), op);
    pieces(tensor, 1, [&](std::int64_t begin, int count) {
      mpi_check(MPI_Iallreduce(mpi::in_place(), view.bytes() + begin * tensor.element_size(), count, type, mpi_op,
                               channel_->comm.get(), work->next_request()),
                "MPI_Iallreduce");
    });
    return Work(std::move(work));
  }

  Work do_start_reduce(const at::Tensor& tensor, ReduceOp op, int root) override {
    const HostView view(tensor);
    const bool here = rank() == root;
    auto work = std::make_unique<MpiWork>(channel_, view, divisor(op), options_.timeout_s, here, in_flight_, wait_s_);
    const MPI_Datatype type = channel_->types.type_of(tensor.scalar_type());
    const MPI_Op mpi_op = channel_->types.op_of(tensor.scalar_type(), op);
    pieces(tensor, 1, [&](std::int64_t begin, int count) {
      std::byte* const bytes = view.bytes() + begin * tensor.element_size();
      mpi_check(MPI_Ireduce(here ? mpi::in_place() : bytes, here ? bytes : nullptr, count, type, mpi_op, root,
                            channel_->comm.get(), work->next_request()),
                "MPI_Ireduce");
    });
    return Work(std::move(work));
  }

  void do_all_gather(const at::Tensor& out, const at::Tensor& in) override {
    const HostView from(in);
    const HostView into(out);
    const bool in_place = in.const_data_ptr() == static_cast<const std::byte*>(out.const_data_ptr()) +
                                                     static_cast<std::int64_t>(in.nbytes()) * rank();
    const auto item = in.element_size();
    const MPI_Datatype type = channel_->types.type_of(in.scalar_type());
    pieces(in, 1, [&](std::int64_t begin, int count) {
      // Rank r's piece lands in r's part of `out`: one element of a type as long as the piece, as wide as a part.
      MPI_Datatype piece, part;
      mpi_check(MPI_Type_contiguous(count, type, &piece), "MPI_Type_contiguous");
      mpi_check(MPI_Type_create_resized(piece, 0, static_cast<MPI_Aint>(in.numel() * item), &part),
                "MPI_Type_create_resized");
      mpi_check(MPI_Type_commit(&part), "MPI_Type_commit");
      const int code = MPI_Allgather(in_place ? mpi::in_place() : from.const_bytes() + begin * item, count, type,
                                     into.bytes() + begin * item, 1, part, channel_->comm.get());
      MPI_Type_free(&part);
      MPI_Type_free(&piece);
      mpi_check(code, "MPI_Allgather");
    });
    into.give_back();
  }

  void do_reduce_scatter(const at::Tensor& out, const at::Tensor& in, ReduceOp op) override {
    const HostView from(in);
    const HostView into(out);
    const auto item = static_cast<std::size_t>(out.element_size());
    const auto part_bytes = static_cast<std::size_t>(out.numel()) * item;
    const MPI_Datatype type = channel_->types.type_of(out.scalar_type());
    const MPI_Op mpi_op = channel_->types.op_of(out.scalar_type(), op);
    std::vector<std::byte> packed;  // piece of every part, next to each other; not needed when one piece is all
    pieces(out, size(), [&](std::int64_t begin, int count) {
      const std::byte* send = from.const_bytes();
      const std::size_t start = static_cast<std::size_t>(begin) * item;
      if (count < out.numel()) {
        const std::size_t piece_bytes = static_cast<std::size_t>(count) * item;
        packed.resize(piece_bytes * static_cast<std::size_t>(size()));
        for (std::size_t r = 0; r < static_cast<std::size_t>(size()); ++r) {
          std::memcpy(packed.data() + r * piece_bytes, from.const_bytes() + r * part_bytes + start, piece_bytes);
        }
        send = packed.data();
      }
      mpi_check(MPI_Reduce_scatter_block(send, into.bytes() + start, count, type, mpi_op, channel_->comm.get()),
                "MPI_Reduce_scatter_block");
    });
    into.give_back(divisor(op));
  }

  void do_broadcast(const at::Tensor& tensor, int root) override {
    const HostView view(tensor);
    const MPI_Datatype type = channel_->types.type_of(tensor.scalar_type());
    pieces(tensor, 1, [&](std::int64_t begin, int count) {
      mpi_check(MPI_Bcast(view.bytes() + begin * tensor.element_size(), count, type, root, channel_->comm.get()),
                "MPI_Bcast");
    });
    view.give_back();
  }

  void do_barrier() override { mpi_check(MPI_Barrier(channel_->comm.get()), "MPI_Barrier"); }

 private:
  int divisor(ReduceOp op) const { return op == ReduceOp::mean ? size() : 1; }

  // Calls run(first element, count) for pieces of `tensor` such that `parts` pieces fit into chunk_bytes.
  template <class Run>
  void pieces(const at::Tensor& tensor, std::int64_t parts, const Run& run) const {
    const auto chunk = static_cast<std::int64_t>(options_.chunk_bytes) / (tensor.element_size() * parts);
    const auto most = std::clamp<std::int64_t>(chunk, 1, std::numeric_limits<int>::max());
    for (std::int64_t begin = 0; begin < tensor.numel(); begin += most) {
      run(begin, static_cast<int>(std::min(most, tensor.numel() - begin)));
    }
  }

  MpiCommunicatorOptions options_;
  std::shared_ptr<Channel> channel_ = std::make_shared<Channel>();
};

}  // namespace

std::unique_ptr<Communicator> make_mpi_communicator(World& world, const MpiCommunicatorOptions& options) {
  return std::make_unique<MpiCommunicator>(world, options);
}

}  // namespace clip_hpc
