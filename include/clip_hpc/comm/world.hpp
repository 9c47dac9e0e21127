// All processes of a run. Owns MPI (SERIALIZED: one thread at a time), so it exists once, in main, and is passed by
// reference. Its collectives are for small control data on the host; tensors go through a Communicator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/comm/in_flight.hpp"

namespace clip_hpc {

class World {
 public:
  struct WithoutMpi {};
  explicit World(WithoutMpi);  // this process alone, for what needs no other: it enters no collective
  World();   // MPI_Init_thread; throws Error{comm} when Slurm started several processes that do not know each other
  ~World();  // MPI_Finalize: collective. After an Error that other ranks may not share, call abort() instead.
  void will_end_with(int exit_code) { exit_code_ = exit_code; }  // should MPI_Finalize not return (finalize.hpp)
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  int local_rank() const { return local_rank_; }  // among the ranks of this node: chooses the device
  int local_size() const { return local_size_; }
  const std::string& host_name() const { return host_name_; }
  static std::string mpi_version();  // MPI_Get_library_version, one line; needs no World

  // Collectives: every rank calls them, in the same order.
  void barrier();
  std::string broadcast(std::string value, int root = 0);
  std::vector<std::byte> broadcast(std::vector<std::byte> value, int root = 0);
  void all_reduce_max(std::span<double> values);
  void all_reduce_min(std::span<double> values);
  void all_reduce_sum(std::span<double> values);
  void all_reduce_max(std::span<std::int64_t> values);
  std::vector<std::string> gather_strings(const std::string& mine);  // on rank 0 in rank order, empty elsewhere
  std::vector<std::string> all_gather_strings(const std::string& mine);

  // A control all-reduce (maximum) that a train step can overlap: start early, wait at the end of the step. One at a
  // time. Used for: stop asked, time to save, not finite.
  using ControlFlags = std::array<std::int64_t, 8>;
  void start_flags(const ControlFlags& mine);
  ControlFlags wait_flags();
  bool flags_started() const;

  // For ranks that failed: true when all ranks came here within `seconds`, so that they may still talk to each other.
  // After false only abort() is left.
  bool all_failed(double seconds);

  // Ends all ranks at once; the exit code reaches the shell. For failures of one rank only.
  [[noreturn]] void abort(int code);

  const std::shared_ptr<InFlight>& in_flight() const { return in_flight_; }

 private:
  struct Mpi;
  void broadcast_bytes(void* data, std::size_t size, int root);
  std::vector<std::int64_t> lengths_of(const std::string& mine);

  std::unique_ptr<Mpi> mpi_;
  std::shared_ptr<InFlight> in_flight_ = std::make_shared<InFlight>();
  int rank_ = 0;
  int size_ = 1;
  int local_rank_ = 0;
  int local_size_ = 1;
  std::string host_name_;
  int exit_code_ = 1;
};

// Under `srun` without PMIx every process silently becomes rank 0 of 1; this says so. nullopt: all is well.
std::optional<std::string> launch_problem(int world_size, const std::function<const char*(const char*)>& environment);

}  // namespace clip_hpc
