#include "clip_hpc/optim/update_counters.hpp"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>

namespace clip_hpc {

UpdateCounters::UpdateCounters(at::Device device)
    : applied(at::zeros({}, at::TensorOptions(at::kLong).device(device))),
      skipped(at::zeros_like(applied)),
      skipped_in_a_row(at::zeros_like(applied)) {}

void UpdateCounters::count(const at::Tensor& norm) {
  const at::NoGradGuard no_grad;
  if (!norm.is_cpu()) {
    const at::Tensor is_finite = norm.isfinite().to(at::kLong), is_skipped = is_finite.neg().add_(1);
    applied.add_(is_finite);
    skipped.add_(is_skipped);
    skipped_in_a_row.add_(1).mul_(is_skipped);
  } else if (std::isfinite(norm.item<double>())) {
    applied.add_(1);
    skipped_in_a_row.zero_();
  } else {
    skipped.add_(1);
    skipped_in_a_row.add_(1);
  }
}

}  // namespace clip_hpc
