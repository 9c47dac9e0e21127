// What libclip_hpc_cuda.so adds to LibTorch's own notion of a device: NCCL, graphs, the search for hidden waits.
// Streams, events and memory need nothing of it: c10 has them for every device. Both sides are built by one compiler
// from one source, so tensors and exceptions pass.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "clip_hpc/comm/communicator.hpp"

namespace clip_hpc {

inline constexpr std::uint32_t kDevicePlaneAbi = 3;  // raise it with every change of what is declared here

struct NcclCommunicatorOptions {
  double timeout_s = 600;  // of the set-up, and of synchronize()
};

// The kernels of one piece of work, recorded once and launched together: the host's launches vanish. Shapes, addresses
// and host numbers stay what they were while it was recorded. Graphs share their memory: what comes out must be copied
// into tensors that were there before.
class StepGraph {
 public:
  StepGraph() = default;
  virtual ~StepGraph() = default;
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
  virtual void capture(const std::function<void()>& work) = 0;  // on the current stream; runs nothing. Throws device
  virtual void replay() = 0;                                    // on the current stream
};

struct DevicePlane {
  std::uint32_t abi;
  std::string (*identity)(int device);  // the same for every process of a node: "0000:17:00.0"
  std::string (*nccl_version)();        // "2.28.9", with what it was built for where that differs
  std::string (*cudnn_version)();       // "9.19.0"
  void (*forbid_waits)(bool on);        // on: LibTorch throws where it would wait for the device
  std::unique_ptr<StepGraph> (*make_graph)();
  // Collective; the current device is this rank's. Tensors must lie on it. Throws comm.
  std::unique_ptr<Communicator> (*make_nccl)(World& world, const NcclCommunicatorOptions& options);
};

}  // namespace clip_hpc
