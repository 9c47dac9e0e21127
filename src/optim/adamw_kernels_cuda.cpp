// Tensors for the kernels of adamw_kernels.cu, and their table. Part of libclip_hpc_cuda.so alone.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "optim/adamw_kernels.hpp"
#include "optim/adamw_launch.hpp"

namespace clip_hpc {
namespace {

template <class W>
void update_all(const AdamWTensors& t, const AdamWUpdate* update, void* stream) {
  const AdamWArrays<W> arrays{t.master.data_ptr<float>(), t.weights.data_ptr<W>(), t.gradients.const_data_ptr<W>(),
                              t.m.data_ptr<float>(), t.v.data_ptr<float>()};
  launch_adamw_update(arrays, t.master.numel(), t.first, t.ranges.const_data_ptr<std::int64_t>(), t.ranges.size(0),
                      update, stream);
}

void adamw_step(const AdamWTensors& t, const AdamWRates& rates) {
  for (const at::Tensor* tensor : {&t.master, &t.weights, &t.gradients, &t.m, &t.v}) {
    TORCH_CHECK(tensor->is_cuda() && tensor->is_contiguous() && tensor->numel() == t.master.numel(),
                "arena and moments must be contiguous, of one length, on a CUDA device");
  }
  for (const at::Tensor* tensor : {&t.norm, &t.lr, &t.applied}) {
    TORCH_CHECK(tensor->device() == t.master.device() && tensor->is_contiguous() && tensor->numel() == 1,
                "norm, learning rate and counter must lie on the arena's device");
  }
  TORCH_CHECK(t.ranges.device() == t.master.device() && t.ranges.is_contiguous(), "ranges must lie on the device, too");
  const c10::cuda::CUDAGuard guard(t.master.device());
  void* stream = c10::cuda::getCurrentCUDAStream().stream();
  const at::Tensor room =
      at::empty({static_cast<std::int64_t>(sizeof(AdamWUpdate))}, t.master.options().dtype(at::kByte));
  auto* update = static_cast<AdamWUpdate*>(room.data_ptr());
  launch_adamw_begin(
      {t.norm.const_data_ptr<double>(), t.lr.const_data_ptr<double>(), t.applied.const_data_ptr<std::int64_t>()}, rates,
      update, stream);
  if (t.weights.scalar_type() == at::kBFloat16) {
    update_all<c10::BFloat16>(t, update, stream);
  } else {
    update_all<float>(t, update, stream);
  }
  C10_CUDA_CHECK(cudaGetLastError());
}

}  // namespace
}  // namespace clip_hpc

extern "C" const clip_hpc::AdamWKernels* clip_hpc_adamw_kernels() {
  static const clip_hpc::AdamWKernels table{clip_hpc::AdamWKernels::kAbi, &clip_hpc::adamw_step};
  return &table;
}
