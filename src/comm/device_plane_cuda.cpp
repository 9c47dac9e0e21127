#include "clip_hpc/comm/device_plane.hpp"

#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAFunctions.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <array>

#include "clip_hpc/base/error.hpp"
#include "comm/nccl_communicator_cuda.hpp"

namespace clip_hpc {
namespace {

std::string identity(int device) {
  std::array<char, 64> text{};
  const cudaError_t code = cudaDeviceGetPCIBusId(text.data(), text.size(), device);
  if (code != cudaSuccess) throw device_error("device {}: {}", device, cudaGetErrorString(code));
  return text.data();
}

std::string cudnn_version() {
  // Of the library that libtorch_cuda.so loaded. LibTorch's own word for it is settled by the first tensor, which may
  // have been made before this library was opened.
  const auto get = reinterpret_cast<std::size_t (*)()>(dlsym(RTLD_DEFAULT, "cudnnGetVersion"));
  if (get == nullptr) return "unknown";
  const std::size_t number = get();
  return fmt::format("{}.{}.{}", number / 10000, number / 100 % 100, number % 100);
}

void forbid_waits(bool on) {
  c10::cuda::warning_state().set_sync_debug_mode(on ? c10::cuda::SyncDebugMode::L_ERROR
                                                    : c10::cuda::SyncDebugMode::L_DISABLED);
}

class CudaStepGraph final : public StepGraph {
 public:
  void capture(const std::function<void()>& work) override {
    try {
      // What plain steps left in the allocator would lie beside the graph's own memory. All graphs share one pool: they
      // never run at the same time, and what comes out of them lies elsewhere.
      c10::cuda::CUDACachingAllocator::emptyCache();
      static const at::MempoolId_t pool = at::cuda::graph_pool_handle();
      // Relaxed: the loader's threads may use the device meanwhile.
      graph_.capture_begin(pool, cudaStreamCaptureModeRelaxed);
      try {
        work();
      } catch (...) {
        end_quietly();
        throw;
      }
      graph_.capture_end();
    } catch (const c10::Error& problem) {
      throw device_error("the step could not be recorded as a graph: {}", problem.what_without_backtrace());
    }
  }
  void replay() override { graph_.replay(); }

 private:
  void end_quietly() {  // a stream must not stay in recording
    try {
      graph_.capture_end();
    } catch (const c10::Error&) {  // NOLINT(bugprone-empty-catch): the reason is on its way already
    }
  }
  at::cuda::CUDAGraph graph_;
};

std::unique_ptr<StepGraph> make_graph() { return std::make_unique<CudaStepGraph>(); }

}  // namespace
}  // namespace clip_hpc

extern "C" const clip_hpc::DevicePlane* clip_hpc_device_plane() {
  static const clip_hpc::DevicePlane plane{
      clip_hpc::kDevicePlaneAbi, &clip_hpc::identity,   &clip_hpc::nccl_version,          &clip_hpc::cudnn_version,
      &clip_hpc::forbid_waits,   &clip_hpc::make_graph, &clip_hpc::make_nccl_communicator};
  return &plane;
}
