// Which slices of the arena travel, in which order, and when: a communicator that writes down what it is asked for.
#include "clip_hpc/train/grad_reducer.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

class Recorder : public Communicator {
 public:
  struct Sent {
    std::int64_t begin, end;  // elements of the arena
    int landed;               // gradients that had landed before
    int root;                 // -1: everyone
  };
  explicit Recorder(ParameterArena& arena)
      : Communicator(0, arena.share().parts, std::make_shared<InFlight>()), arena_(arena) {}
  std::string_view name() const override { return "recorder"; }
  void progress() override { ++landed; }  // called once a gradient
  std::vector<Sent> sent;
  int landed = 0;

 protected:
  void do_all_reduce(const at::Tensor&, ReduceOp) override { FAIL(); }
  void do_all_gather(const at::Tensor&, const at::Tensor&) override { FAIL(); }
  void do_reduce_scatter(const at::Tensor&, const at::Tensor&, ReduceOp) override { FAIL(); }
  void do_broadcast(const at::Tensor&, int) override { FAIL(); }
  void do_barrier() override { FAIL(); }
  Work do_start_all_reduce(const at::Tensor& tensor, ReduceOp op) override { return note(tensor, op, -1); }
  Work do_start_reduce(const at::Tensor& tensor, ReduceOp op, int root) override { return note(tensor, op, root); }

 private:
  Work note(const at::Tensor& tensor, ReduceOp op, int root) {
    EXPECT_EQ(op, ReduceOp::sum);
    const auto bytes = static_cast<const char*>(tensor.const_data_ptr()) -
                       static_cast<const char*>(arena_.gradients().const_data_ptr());
    const std::int64_t begin = bytes / static_cast<std::int64_t>(tensor.element_size());
    sent.push_back({begin, begin + tensor.numel(), landed, root});
    return {};
  }

  ParameterArena& arena_;
};

constexpr int kLayers = 12;

ParameterArena make_arena(ArenaShare share = {}) {
  ParameterArena arena;
  for (int i = 0; i < kLayers; ++i) arena.declare(fmt::format("layer.{}", i), {64, 64}, {});  // 16 KiB each
  arena.declare("scale", {}, {.decay = false});
  arena.allocate(at::kFloat, at::kCPU, share);
  arena.weights().fill_(0.01);
  return arena;
}

// Layer after layer, so that gradients land from the last parameter to the first.
void backward(const ParameterArena& arena, int skipped = -1) {
  at::Tensor x = at::ones({2, 64}, at::kFloat);
  for (int i = 0; i < kLayers; ++i) {
    if (i != skipped) x = x.mm(arena.parameter(static_cast<std::size_t>(i)));
  }
  (x.sum() * arena.parameter(kLayers)).backward();
}

TEST(GradReducer, SlicesCoverTheArenaExactlyOnceFromItsEnd) {
  for (const double mib : {0.0, 0.02, 0.04, 0.1, 1.0}) {
    ParameterArena arena = make_arena();
    Recorder comm(arena);
    GradReducer reducer(comm, arena, mib);
    for (int step = 0; step < 2; ++step) {
      comm.sent.clear();
      reducer.start();
      backward(arena);
      reducer.finish();
      ASSERT_EQ(comm.sent.size(), reducer.buckets()) << mib;
      std::int64_t at = arena.numel();
      for (const Recorder::Sent& slice : comm.sent) {
        EXPECT_EQ(slice.end, at) << mib;
        EXPECT_LT(slice.begin, slice.end) << mib;
        at = slice.begin;
      }
      EXPECT_EQ(at, 0) << mib;
    }
  }
}

TEST(GradReducer, WithSharedStateEachSliceGoesToItsHolder) {
  for (const int parts : {2, 3, 7, 4000}) {  // the last: shares of 64 elements, and some of none
    for (const double mib : {0.0, 0.04, 1.0}) {
      ParameterArena arena = make_arena({.part = 0, .parts = parts});
      Recorder comm(arena);
      GradReducer reducer(comm, arena, mib);
      reducer.start();
      backward(arena);
      reducer.finish();
      std::int64_t at = arena.numel();
      for (const Recorder::Sent& slice : comm.sent) {
        ASSERT_EQ(slice.end, at) << parts << " " << mib;
        ASSERT_LT(slice.begin, slice.end);
        const ArenaSlice held = arena_slice(arena.numel(), {slice.root, parts});
        ASSERT_GE(slice.begin, held.begin) << parts << " " << mib;
        ASSERT_LE(slice.end, held.end) << parts << " " << mib;
        at = slice.begin;
      }
      EXPECT_EQ(at, 0);
    }
  }
}

TEST(GradReducer, ABucketTravelsWhileBackwardStillRuns) {
  ParameterArena arena = make_arena();
  Recorder comm(arena);
  GradReducer reducer(comm, arena, 0.04);  // two or three layers
  reducer.start();
  backward(arena);
  ASSERT_GT(comm.sent.size(), 3U);
  EXPECT_LE(comm.sent.front().landed, 5);
  EXPECT_EQ(comm.sent.back().landed, kLayers);  // the last one waits for the first layer
  for (const Recorder::Sent& slice : comm.sent) {
    // No more may have travelled than had landed: elements after the slice's begin.
    EXPECT_GE((slice.landed + 1) * 4096, arena.numel() - 1 - slice.begin);
  }
  reducer.finish();
}

TEST(GradReducer, NothingTravelsOutsideOfStartAndFinish) {
  ParameterArena arena = make_arena();
  Recorder comm(arena);
  {
    GradReducer reducer(comm, arena, 0.04);
    backward(arena);
    EXPECT_TRUE(comm.sent.empty());
  }
  backward(arena);  // its hooks are gone with it
  EXPECT_TRUE(comm.sent.empty());
}

TEST(GradReducer, AParameterWithoutAGradientIsNamedAndItsBucketStays) {
  ParameterArena arena = make_arena();
  Recorder comm(arena);
  GradReducer reducer(comm, arena, 0.0);
  reducer.start();
  backward(arena, 5);
  try {
    reducer.finish();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::internal);
    EXPECT_NE(std::string(error.what()).find("parameter layer.5 got no gradient"), std::string::npos) << error.what();
  }
  for (const Recorder::Sent& slice : comm.sent) EXPECT_GT(slice.begin, 5 * 4096);
}

}  // namespace
}  // namespace clip_hpc
