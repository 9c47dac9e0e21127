// Tensors for the kernels of fused_ops.cu, and their table. Part of libclip_hpc_cuda.so alone.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "ops/fused_ops_cuda.hpp"
#include "ops/fused_ops_kernels.hpp"

namespace clip_hpc {
namespace {

// run(T{}, stream) with the element type of x, on x's device and its current stream.
template <class Run>
void with_type_of(const at::Tensor& x, const Run& run) {
  const c10::cuda::CUDAGuard guard(x.device());
  void* stream = c10::cuda::getCurrentCUDAStream().stream();
  if (x.scalar_type() == at::kFloat) {
    run(float{}, stream);
  } else {
    TORCH_CHECK(x.scalar_type() == at::kBFloat16, "no kernel for ", x.scalar_type());
    run(c10::BFloat16{}, stream);
  }
  C10_CUDA_CHECK(cudaGetLastError());
}

void check_alike(const at::Tensor& x, std::initializer_list<at::Tensor> others) {
  TORCH_CHECK(x.is_cuda() && x.is_contiguous() && x.numel() > 0, "x must be contiguous on a CUDA device");
  for (const at::Tensor& other : others) {
    TORCH_CHECK(other.device() == x.device() && other.scalar_type() == x.scalar_type() && other.is_contiguous() &&
                    (other.sizes() == x.sizes() || (other.dim() == 1 && other.size(0) == x.size(-1))),
                "tensors of a fused operator differ in device, type or shape");
  }
}

std::int64_t rows_of(const at::Tensor& x) { return x.numel() / x.size(-1); }

at::Tensor floats(std::size_t n, const at::Tensor& beside) {
  return at::empty({static_cast<std::int64_t>(n)}, beside.options().dtype(at::kFloat));
}

at::Tensor bias_gelu(const at::Tensor& x, const at::Tensor& bias, Gelu kind) {
  check_alike(x, {bias});
  at::Tensor y = at::empty_like(x);
  with_type_of(x, [&]<class T>(T, void* stream) {
    launch_bias_gelu(x.const_data_ptr<T>(), bias.const_data_ptr<T>(), y.data_ptr<T>(), rows_of(x), x.size(-1), kind,
                     stream);
  });
  return y;
}

std::pair<at::Tensor, at::Tensor> bias_gelu_backward(const at::Tensor& grad, const at::Tensor& x,
                                                     const at::Tensor& bias, Gelu kind) {
  check_alike(x, {grad, bias});
  at::Tensor by_x = at::empty_like(x), by_bias = at::empty_like(bias);
  const at::Tensor workspace = floats(column_workspace(rows_of(x), x.size(-1)), x);
  with_type_of(x, [&]<class T>(T, void* stream) {
    launch_bias_gelu_backward(grad.const_data_ptr<T>(), x.const_data_ptr<T>(), bias.const_data_ptr<T>(),
                              by_x.data_ptr<T>(), by_bias.data_ptr<T>(), workspace.data_ptr<float>(), rows_of(x),
                              x.size(-1), kind, stream);
  });
  return {by_x, by_bias};
}

at::Tensor add_bias(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias) {
  check_alike(x, {delta, bias});
  at::Tensor y = at::empty_like(x);
  with_type_of(x, [&]<class T>(T, void* stream) {
    launch_add_bias(x.const_data_ptr<T>(), delta.const_data_ptr<T>(), bias.const_data_ptr<T>(), y.data_ptr<T>(),
                    rows_of(x), x.size(-1), stream);
  });
  return y;
}

at::Tensor column_sums(const at::Tensor& grad) {
  check_alike(grad, {});
  at::Tensor sums = at::empty({grad.size(-1)}, grad.options());
  const at::Tensor workspace = floats(column_workspace(rows_of(grad), grad.size(-1)), grad);
  with_type_of(grad, [&]<class T>(T, void* stream) {
    launch_column_sums(grad.const_data_ptr<T>(), sums.data_ptr<T>(), workspace.data_ptr<float>(), rows_of(grad),
                       grad.size(-1), stream);
  });
  return sums;
}

NormOutputs norm_outputs(const at::Tensor& x) {
  TORCH_CHECK(x.size(-1) <= kWidestDeviceRow, "a row of ", x.size(-1), " elements is wider than the kernel's ",
              kWidestDeviceRow);
  const auto rows = static_cast<std::size_t>(rows_of(x));
  return {at::empty_like(x), floats(rows, x), floats(rows, x)};
}

NormOutputs layer_norm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  check_alike(x, {gamma, beta});
  NormOutputs out = norm_outputs(x);
  with_type_of(x, [&]<class T>(T, void* stream) {
    launch_add_layer_norm<T>(x.const_data_ptr<T>(), nullptr, nullptr, gamma.const_data_ptr<T>(),
                             beta.const_data_ptr<T>(), nullptr, out.normed.data_ptr<T>(), out.mean.data_ptr<float>(),
                             out.rstd.data_ptr<float>(), rows_of(x), x.size(-1), static_cast<float>(eps), stream);
  });
  return out;
}

AddNormOutputs add_layer_norm(const at::Tensor& x, const at::Tensor& delta, const at::Tensor& bias,
                              const at::Tensor& gamma, const at::Tensor& beta, double eps) {
  check_alike(x, {delta, bias, gamma, beta});
  AddNormOutputs out{at::empty_like(x), norm_outputs(x)};
  with_type_of(x, [&]<class T>(T, void* stream) {
    launch_add_layer_norm<T>(x.const_data_ptr<T>(), delta.const_data_ptr<T>(), bias.const_data_ptr<T>(),
                             gamma.const_data_ptr<T>(), beta.const_data_ptr<T>(), out.sum.data_ptr<T>(),
                             out.norm.normed.data_ptr<T>(), out.norm.mean.data_ptr<float>(),
                             out.norm.rstd.data_ptr<float>(), rows_of(x), x.size(-1), static_cast<float>(eps), stream);
  });
  return out;
}

NormGradients layer_norm_backward(const at::Tensor& by_normed, const at::Tensor& by_sum, const at::Tensor& x,
                                  const at::Tensor& gamma, const at::Tensor& mean, const at::Tensor& rstd) {
  check_alike(x, {by_normed, gamma});
  const bool adds = by_sum.defined();
  if (adds) check_alike(x, {by_sum});
  const std::int64_t rows = rows_of(x), width = x.size(-1);
  at::Tensor by_x = at::empty_like(x), by_vectors = at::empty({adds ? 3 : 2, width}, x.options());
  const at::Tensor workspace = floats(layer_norm_workspace(rows, width, adds), x);
  with_type_of(x, [&]<class T>(T, void* stream) {
    launch_layer_norm_backward<T>(by_normed.const_data_ptr<T>(), adds ? by_sum.const_data_ptr<T>() : nullptr,
                                  x.const_data_ptr<T>(), gamma.const_data_ptr<T>(), mean.const_data_ptr<float>(),
                                  rstd.const_data_ptr<float>(), by_x.data_ptr<T>(), by_vectors.data_ptr<T>(),
                                  workspace.data_ptr<float>(), rows, width, stream);
  });
  return {by_x, by_vectors.select(0, 0), by_vectors.select(0, 1), adds ? by_vectors.select(0, 2) : at::Tensor()};
}

at::Tensor normalise_pixels(const at::Tensor& bytes, std::array<float, 3> scale, std::array<float, 3> shift,
                            at::ScalarType type) {
  TORCH_CHECK(bytes.is_cuda() && bytes.is_contiguous() && bytes.dim() == 4 && bytes.size(1) == 3,
              "pixels must be contiguous [batch, 3, height, width] on a CUDA device");
  at::Tensor y = at::empty(bytes.sizes(), bytes.options().dtype(type));
  if (bytes.numel() == 0) return y;
  const ChannelAffine affine{{scale[0], scale[1], scale[2]}, {shift[0], shift[1], shift[2]}};
  with_type_of(y, [&]<class T>(T, void* stream) {
    launch_normalise_pixels(bytes.const_data_ptr<std::uint8_t>(), y.data_ptr<T>(), affine, bytes.size(0) * 3,
                            bytes.size(2) * bytes.size(3), stream);
  });
  return y;
}

}  // namespace
}  // namespace clip_hpc

extern "C" const clip_hpc::FusedOpsKernels* clip_hpc_fused_ops_kernels() {
  using namespace clip_hpc;  // NOLINT(google-build-using-namespace): the table alone
  static const FusedOpsKernels table{
      FusedOpsKernels::kAbi,
      {&bias_gelu, &bias_gelu_backward, &add_bias, &column_sums, &layer_norm, &add_layer_norm, &layer_norm_backward},
      kWidestDeviceRow,
      &normalise_pixels};
  return &table;
}
