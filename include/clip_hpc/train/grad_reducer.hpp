// Sums gradients over ranks while backward still runs. The arena is cut into buckets from its end, where backward
// begins; a bucket is sent as soon as its last gradient has landed, always in the same order on all ranks. Where the
// optimizer's state is shared, buckets end at the borders of the shares and only their holder gets the sum.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/model/arena/parameters.hpp"

namespace clip_hpc {

class GradReducer {
 public:
  // `in_fp32`: low-precision gradients are summed over ranks in fp32 and rounded once.
  GradReducer(Communicator& comm, ParameterArena& arena, double bucket_mib, bool in_fp32 = false);
  ~GradReducer();  // takes the hooks off
  GradReducer(const GradReducer&) = delete;
  GradReducer& operator=(const GradReducer&) = delete;

  void start(std::span<const std::size_t> landed_before = {});  // before backward; these have their gradients
  void disarm() { armed_ = false; }                             // gradients that land travel nowhere, until start()
  void finish();    // after backward: waits for all buckets; names a parameter that got no gradient
  void exchange();  // all of it at once, without a backward: for benchmarks
  std::size_t buckets() const { return buckets_.size(); }
  std::int64_t bytes() const;  // of one exchange

 private:
  struct Bucket {
    std::int64_t begin = 0, end = 0;  // elements of the arena
    int root = 0;                     // who holds it, where the state is shared
    int parameters = 0;               // that have elements in it and are not frozen
    int missing = 0;
    at::Tensor wide;  // the fp32 copy that travels, if one does
    Work work;
  };
  struct Span {  // the buckets that hold elements of one parameter: first to last
    std::size_t first, last;
  };
  void landed(std::size_t parameter);
  at::Tensor part_of(const Bucket& bucket);
  void send(Bucket& bucket);

  Communicator& comm_;
  ParameterArena& arena_;
  bool widens_;
  std::vector<Bucket> buckets_;
  std::vector<Span> buckets_of_;  // by parameter
  std::vector<bool> landed_;      // by parameter
  std::size_t next_ = 0;          // first bucket that was not sent yet
  bool armed_ = false;
};

}  // namespace clip_hpc
