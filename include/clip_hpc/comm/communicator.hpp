// Collectives on tensors: one interface, three bodies (one rank, MPI, NCCL). Every rank calls every operation in the
// same order with the same shapes. Tensors are contiguous; float32, float64, bfloat16, float16, int32, int64, uint8,
// bool.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "clip_hpc/comm/in_flight.hpp"

namespace clip_hpc {

class World;

// mean needs a floating type; bool knows max alone, which is a logical or.
enum class ReduceOp { sum, mean, max };
const char* name_of(ReduceOp op);

// An operation on its way. The tensor must not be touched before wait(); a Work that dies waits first.
class Work {
 public:
  class Body {
   public:
    virtual ~Body() = default;
    virtual bool done() = 0;  // never blocks
    virtual void wait() = 0;
  };
  Work() = default;  // nothing left to do
  explicit Work(std::unique_ptr<Body> body) : body_(std::move(body)) {}
  bool done() { return !body_ || body_->done(); }
  void wait() {
    if (!body_) return;
    const std::unique_ptr<Body> body = std::move(body_);
    body->wait();
  }

 private:
  std::unique_ptr<Body> body_;
};

// The public functions check shapes and types before anything is sent, then call the body.
class Communicator {
 public:
  virtual ~Communicator() = default;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  virtual std::string_view name() const = 0;  // self, mpi, nccl

  void all_reduce(const at::Tensor& tensor, ReduceOp op);  // in place
  // out [size * n ...], in [n ...]; `in` may be this rank's own part of `out`.
  void all_gather(const at::Tensor& out, const at::Tensor& in);
  void reduce_scatter(const at::Tensor& out, const at::Tensor& in, ReduceOp op);  // out [n ...], in [size * n ...]
  void broadcast(const at::Tensor& tensor, int root = 0);                         // in place
  void barrier();
  [[nodiscard]] Work start_all_reduce(const at::Tensor& tensor, ReduceOp op);  // in place
  // In place on `root`; on the other ranks the tensor keeps what it held.
  [[nodiscard]] Work start_reduce(const at::Tensor& tensor, ReduceOp op, int root);

  // Waits until the device has done all it was asked for, and throws comm when a peer is gone. Call it before a number
  // is read from the device: reading alone would wait for ever. Without a device there is nothing to wait for.
  virtual void synchronize() {}

  virtual void progress() = 0;  // lets the library move what is on its way: call it between pieces of work
  double wait_s() const { return *wait_s_; }  // time the caller spent blocked in here
  const InFlight& in_flight() const { return *in_flight_; }

 protected:
  Communicator(int rank, int size, std::shared_ptr<InFlight> in_flight);
  virtual void do_all_reduce(const at::Tensor& tensor, ReduceOp op) = 0;
  virtual void do_all_gather(const at::Tensor& out, const at::Tensor& in) = 0;
  virtual void do_reduce_scatter(const at::Tensor& out, const at::Tensor& in, ReduceOp op) = 0;
  virtual void do_broadcast(const at::Tensor& tensor, int root) = 0;
  virtual void do_barrier() = 0;
  virtual Work do_start_all_reduce(const at::Tensor& tensor, ReduceOp op) = 0;
  virtual Work do_start_reduce(const at::Tensor& tensor, ReduceOp op, int root) = 0;

  std::shared_ptr<InFlight> in_flight_;
  std::shared_ptr<double> wait_s_ = std::make_shared<double>(0.0);  // shared with Work, which may outlive us

 private:
  int rank_;
  int size_;
};

struct MpiCommunicatorOptions {
  std::size_t chunk_bytes = std::size_t{1} << 30;  // MPI-3 counts are int: larger tensors go in pieces
  double timeout_s = 600;                          // of Work::wait; blocking calls are the train watchdog's business
};

std::unique_ptr<Communicator> make_self_communicator();
// Collective: every communicator has a message space of its own. `world` outlives it.
std::unique_ptr<Communicator> make_mpi_communicator(World& world, const MpiCommunicatorOptions& options = {});

}  // namespace clip_hpc
