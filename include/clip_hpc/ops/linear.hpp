// Linear layers: on a CPU in fp32 their products go to oneDNN where it is installed (src/model/sgemm.hpp).
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace clip_hpc {

// x weight^T + bias: x [..., in], weight [out, in], bias [out] or none -> [..., out]
at::Tensor linear_layer(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});
at::Tensor linear_layer_reference(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias = {});

std::string onednn_version();  // "2.6.3"; empty: not installed

}  // namespace clip_hpc
