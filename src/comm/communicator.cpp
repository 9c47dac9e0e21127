#include "clip_hpc/comm/communicator.hpp"

#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/timer.hpp"

namespace clip_hpc {
namespace {

bool is_known(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
    case at::kDouble:
    case at::kBFloat16:
    case at::kHalf:
    case at::kInt:
    case at::kLong:
    case at::kByte:
    case at::kBool:
      return true;
    default:
      return false;
  }
}

void check_tensor(const char* operation, const at::Tensor& tensor) {
  if (!tensor.defined()) throw internal_error("{}: undefined tensor", operation);
  if (!tensor.is_contiguous()) throw internal_error("{}: the tensor must be contiguous", operation);
  if (!is_known(tensor.scalar_type())) {
    throw internal_error("{}: cannot send {}", operation, c10::toString(tensor.scalar_type()));
  }
}

void check_op(const char* operation, const at::Tensor& tensor, ReduceOp op) {
  const bool is_bool = tensor.scalar_type() == at::kBool;
  if ((op == ReduceOp::mean && !tensor.is_floating_point()) || (op == ReduceOp::sum && is_bool)) {
    throw internal_error("{}: no {} of {}", operation, name_of(op), c10::toString(tensor.scalar_type()));
  }
}

void check_parts(const char* operation, const at::Tensor& whole, const at::Tensor& part, int size) {
  check_tensor(operation, whole);
  check_tensor(operation, part);
  if (whole.scalar_type() != part.scalar_type() || whole.device() != part.device()) {
    throw internal_error("{}: {} on {} and {} on {}", operation, c10::toString(whole.scalar_type()),
                         whole.device().str(), c10::toString(part.scalar_type()), part.device().str());
  }
  if (whole.numel() != part.numel() * size) {
    throw internal_error("{}: {} elements are not {} x {}", operation, whole.numel(), size, part.numel());
  }
}

class WaitClock {  // adds the time of a scope
 public:
  explicit WaitClock(double& total) : total_(total) {}
  ~WaitClock() { total_ += timer_.seconds(); }
  WaitClock(const WaitClock&) = delete;
  WaitClock& operator=(const WaitClock&) = delete;

 private:
  double& total_;
  Timer timer_;
};

}  // namespace

const char* name_of(ReduceOp op) {
  switch (op) {
    case ReduceOp::sum:
      return "sum";
    case ReduceOp::mean:
      return "mean";
    case ReduceOp::max:
      return "max";
  }
  return "?";
}

Communicator::Communicator(int rank, int size, std::shared_ptr<InFlight> in_flight)
    : in_flight_(std::move(in_flight)), rank_(rank), size_(size) {}

void Communicator::all_reduce(const at::Tensor& tensor, ReduceOp op) {
  check_tensor("all_reduce", tensor);
  check_op("all_reduce", tensor, op);
  const InFlightMark mark(*in_flight_, "all_reduce");
  const WaitClock clock(*wait_s_);
  if (tensor.numel() > 0) do_all_reduce(tensor, op);
}

void Communicator::all_gather(const at::Tensor& out, const at::Tensor& in) {
  check_parts("all_gather", out, in, size_);
  const InFlightMark mark(*in_flight_, "all_gather");
  const WaitClock clock(*wait_s_);
  if (in.numel() > 0) do_all_gather(out, in);
}

void Communicator::reduce_scatter(const at::Tensor& out, const at::Tensor& in, ReduceOp op) {
  check_parts("reduce_scatter", in, out, size_);
  check_op("reduce_scatter", in, op);
  const InFlightMark mark(*in_flight_, "reduce_scatter");
  const WaitClock clock(*wait_s_);
  if (out.numel() > 0) do_reduce_scatter(out, in, op);
}

void Communicator::broadcast(const at::Tensor& tensor, int root) {
  check_tensor("broadcast", tensor);
  if (root < 0 || root >= size_) throw internal_error("broadcast: no rank {} among {}", root, size_);
  const InFlightMark mark(*in_flight_, "broadcast");
  const WaitClock clock(*wait_s_);
  if (tensor.numel() > 0) do_broadcast(tensor, root);
}

void Communicator::barrier() {
  const InFlightMark mark(*in_flight_, "barrier");
  const WaitClock clock(*wait_s_);
  do_barrier();
}

Work Communicator::start_all_reduce(const at::Tensor& tensor, ReduceOp op) {
  check_tensor("start_all_reduce", tensor);
  check_op("start_all_reduce", tensor, op);
  const InFlightMark mark(*in_flight_, "start_all_reduce");
  return tensor.numel() > 0 ? do_start_all_reduce(tensor, op) : Work();
}

Work Communicator::start_reduce(const at::Tensor& tensor, ReduceOp op, int root) {
  check_tensor("start_reduce", tensor);
  check_op("start_reduce", tensor, op);
  if (root < 0 || root >= size_) throw internal_error("start_reduce: no rank {} among {}", root, size_);
  const InFlightMark mark(*in_flight_, "start_reduce");
  return tensor.numel() > 0 ? do_start_reduce(tensor, op, root) : Work();
}

}  // namespace clip_hpc
