// Tensors for the kernels of adamw.cu, and the table of all device kernels. Part of libclip_hpc_cuda.so alone.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "ops/fused_ops_cuda.hpp"
#include "ops/fused_ops_device.hpp"
#include "optim/adamw_cuda.hpp"

namespace clip_hpc {
namespace {

template <class W>
void update_all(const AdamWTensors& t, std::int64_t logit_scale, const AdamWUpdate* update, void* stream) {
  const AdamWArrays<W> arrays{t.master.data_ptr<float>(),      t.weights.data_ptr<W>(),
                              t.gradients.const_data_ptr<W>(), t.m.data_ptr<float>(),
                              t.v.data_ptr<float>(),           t.ema.defined() ? t.ema.data_ptr<float>() : nullptr};
  launch_adamw_update(arrays, t.master.numel(), t.first, t.ranges.const_data_ptr<std::int64_t>(), t.ranges.size(0),
                      logit_scale, update, stream);
}

void adamw_step(const AdamWTensors& t, const AdamWRates& rates, std::int64_t logit_scale) {
  for (const at::Tensor* tensor : {&t.master, &t.weights, &t.gradients, &t.m, &t.v}) {
    TORCH_CHECK(tensor->is_cuda() && tensor->is_contiguous() && tensor->numel() == t.master.numel(),
                "arena and moments must be contiguous, of one length, on a CUDA device");
  }
  TORCH_CHECK(!t.ema.defined() ||
                  (t.ema.device() == t.master.device() && t.ema.is_contiguous() && t.ema.numel() == t.master.numel()),
              "averaged weights must be as the master");
  for (const at::Tensor* tensor : {&t.norm, &t.lr, &t.applied, &t.skipped, &t.skipped_in_a_row}) {
    TORCH_CHECK(tensor->device() == t.master.device() && tensor->is_contiguous() && tensor->numel() == 1,
                "norm, learning rate and counters must lie on the arena's device");
  }
  TORCH_CHECK(t.ranges.device() == t.master.device() && t.ranges.is_contiguous(), "ranges must lie on the device, too");
  const c10::cuda::CUDAGuard guard(t.master.device());
  void* stream = c10::cuda::getCurrentCUDAStream().stream();
  const at::Tensor room =
      at::empty({static_cast<std::int64_t>(sizeof(AdamWUpdate))}, t.master.options().dtype(at::kByte));
  auto* update = static_cast<AdamWUpdate*>(room.data_ptr());
  launch_adamw_begin(
      {t.norm.const_data_ptr<double>(), t.lr.const_data_ptr<double>(), t.applied.data_ptr<std::int64_t>(),
       t.skipped.data_ptr<std::int64_t>(), t.skipped_in_a_row.data_ptr<std::int64_t>()},
      rates, update, stream);
  if (t.weights.scalar_type() == at::kBFloat16) {
    update_all<c10::BFloat16>(t, logit_scale, update, stream);
  } else {
    update_all<float>(t, logit_scale, update, stream);
  }
  C10_CUDA_CHECK(cudaGetLastError());
}

}  // namespace
}  // namespace clip_hpc

extern "C" const clip_hpc::DeviceKernels* clip_hpc_device_kernels() {
  static const clip_hpc::DeviceKernels table{clip_hpc::kDeviceKernelsAbi, clip_hpc::cuda_fused_bodies(),
                                             clip_hpc::kWidestDeviceRow, &clip_hpc::cuda_normalise_pixels,
                                             &clip_hpc::adamw_step};
  return &table;
}
