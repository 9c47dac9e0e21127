// Runs CUDA kernels on the CPU, so that their logic is tested where there is no device. Include this, then the .cu
// file. Blocks run one after the other. The threads of a block are fibers: one runs until it waits for others
// (__syncthreads, a shuffle) or ends, then the next. What would hang or be undefined on a device ends the test: a
// barrier that some threads never reach, a shuffle among lanes of which some are elsewhere, a block or grid that no
// device starts.
#pragma once

#include <setjmp.h>
#include <ucontext.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
  std::size_t count() const { return std::size_t{x} * y * z; }
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace clip_hpc::cuda_on_host {

constexpr std::size_t kWarp = 32;
constexpr std::size_t kStackBytes = 64 * 1024;

enum class State { ready, at_block_barrier, at_shuffle, done };

struct Thread {
  ucontext_t context{};  // enters the fiber once; after that it never ends and jumps are enough
  jmp_buf where{};
  bool entered = false;
  std::unique_ptr<char[]> stack;
  State state = State::ready;
  dim3 index;
  int shuffles = 0;  // done so far; its parity picks the slot
  std::uint32_t slots[2] = {};
};

struct Block {
  jmp_buf scheduler{};
  std::vector<std::unique_ptr<Thread>> threads;  // kept from launch to launch; a kernel uses the first `size` of them
  std::size_t size = 0, current = 0;
  std::function<void()> body;
};

inline Block block_of_fibers;
inline Block* const running = &block_of_fibers;

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "cuda_on_host: %s (block %u, %u)\n", what, blockIdx.x, blockIdx.y);
  std::abort();
}

// _setjmp saves no signal mask: a switch is no system call. Nothing else stands in these two functions, so that no
// local variable lives across a jump.
__attribute__((noinline)) inline void resume(Thread& thread) {
  if (_setjmp(running->scheduler) != 0) return;
  if (thread.entered) _longjmp(thread.where, 1);
  thread.entered = true;
  setcontext(&thread.context);
}

__attribute__((noinline)) inline void wait_as(State state) {
  running->threads[running->current]->state = state;
  if (_setjmp(running->threads[running->current]->where) == 0) _longjmp(running->scheduler, 1);
}

inline void fiber_main() {
  for (;;) {
    running->body();
    wait_as(State::done);
  }
}

// Threads [begin, end) that all wait in `state` go on. A warp or block is either whole or has ended as a whole.
inline bool release(std::size_t begin, std::size_t end, State state) {
  for (std::size_t i = begin; i < end; ++i) {
    if (running->threads[i]->state != state) return false;
  }
  for (std::size_t i = begin; i < end; ++i) running->threads[i]->state = State::ready;
  return true;
}

inline void run_block(Block& block) {
  const std::size_t n = block.size;
  while (block.threads.size() < n) {
    Thread& thread = *block.threads.emplace_back(std::make_unique<Thread>());
    thread.stack = std::make_unique<char[]>(kStackBytes);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.get();
    thread.context.uc_stack.ss_size = kStackBytes;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, fiber_main, 0);
  }
  for (std::size_t i = 0; i < n; ++i) {
    Thread& thread = *block.threads[i];
    thread.state = State::ready;
    thread.shuffles = 0;
    thread.index = dim3(static_cast<unsigned>(i % blockDim.x), static_cast<unsigned>(i / blockDim.x % blockDim.y),
                        static_cast<unsigned>(i / blockDim.x / blockDim.y));
  }
  // A warp runs as far as it can before the next one begins, and every round goes the other way: what lacks a barrier
  // reads what is not yet written, or what is already written over.
  for (std::size_t round = blockIdx.x;; ++round) {
    bool ran = false, all_done = true;
    const std::size_t warps = (n + kWarp - 1) / kWarp;
    for (std::size_t turn = 0; turn < warps; ++turn) {
      const std::size_t begin = (round % 2 == 0 ? turn : warps - 1 - turn) * kWarp;
      const std::size_t end = begin + kWarp < n ? begin + kWarp : n;
      do {
        for (std::size_t lane = 0; lane < end - begin; ++lane) {
          const std::size_t i = round % 2 == 0 ? begin + lane : end - 1 - lane;
          if (block.threads[i]->state != State::ready) continue;
          block.current = i;
          threadIdx = block.threads[i]->index;
          resume(*block.threads[i]);
          ran = true;
        }
      } while (release(begin, end, State::at_shuffle));
      for (std::size_t i = begin; i < end; ++i) all_done = all_done && block.threads[i]->state == State::done;
    }
    if (all_done) return;
    if (!release(0, n, State::at_block_barrier) && !ran) fail("threads wait for others that never come");
  }
}

template <class T>
T shuffle(T value, std::size_t source_lane) {
  static_assert(sizeof(T) == sizeof(std::uint32_t));
  const std::size_t me = running->current, warp = me / kWarp * kWarp;
  const int slot = running->threads[me]->shuffles++ % 2;
  running->threads[me]->slots[slot] = __builtin_bit_cast(std::uint32_t, value);
  wait_as(State::at_shuffle);
  if (warp + source_lane >= running->size) fail("a shuffle from a lane that the block lacks");
  return __builtin_bit_cast(T, running->threads[warp + source_lane]->slots[slot]);
}

}  // namespace clip_hpc::cuda_on_host

inline void __syncthreads() { clip_hpc::cuda_on_host::wait_as(clip_hpc::cuda_on_host::State::at_block_barrier); }

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  if (mask != 0xffffffffU) clip_hpc::cuda_on_host::fail("a shuffle with a mask of less than a warp");
  const std::size_t lane = clip_hpc::cuda_on_host::running->current % clip_hpc::cuda_on_host::kWarp;
  return clip_hpc::cuda_on_host::shuffle(value, lane ^ static_cast<std::size_t>(lanes));
}

template <class T>
T __shfl_down_sync(unsigned mask, T value, int lanes) {
  if (mask != 0xffffffffU) clip_hpc::cuda_on_host::fail("a shuffle with a mask of less than a warp");
  const std::size_t lane = clip_hpc::cuda_on_host::running->current % clip_hpc::cuda_on_host::kWarp;
  const std::size_t from = lane + static_cast<std::size_t>(lanes);
  return clip_hpc::cuda_on_host::shuffle(value, from < clip_hpc::cuda_on_host::kWarp ? from : lane);
}

template <class T>
T __ldg(const T* p) {
  return *p;
}

namespace clip_hpc {

// Stands in for comm/cuda_launch.hpp's.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, void* /*stream*/, Arguments... arguments) {
  using namespace cuda_on_host;
  gridDim = grid;
  blockDim = block;
  if (block.count() == 0 || block.count() > 1024 || grid.count() == 0 || grid.y > 65535 || grid.z > 65535) {
    fail("no device starts such a grid");
  }
  running->size = block.count();
  running->body = [&] { kernel(static_cast<Parameters>(arguments)...); };
  for (unsigned z = 0; z < grid.z; ++z) {
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y, z);
        run_block(*running);
      }
    }
  }
}

}  // namespace clip_hpc
