#include "clip_hpc/ops/attention_choice.hpp"

#include <ATen/Context.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <algorithm>

#include "clip_hpc/base/timer.hpp"

namespace clip_hpc {
namespace {

void use_only(const std::string& kernel) {
  at::Context& context = at::globalContext();
  context.setSDPUseFlash(kernel == "flash");
  context.setSDPUseCuDNN(kernel == "cudnn");
  context.setSDPUseMemEfficient(kernel == "efficient");
  context.setSDPUseMath(kernel == "math");
}

void attend(const at::Tensor& qkv, bool causal) {  // [3, batch, heads, tokens, head_width]
  at::scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], {}, 0.0, causal).sum().backward();
}

}  // namespace

AttentionChoice choose_attention(const at::Device& device, at::ScalarType type,
                                 const std::vector<AttentionShape>& shapes, bool deterministic, bool fixed_shapes) {
  if (device.is_cpu()) return {"gemm", {}};
  constexpr int kUntimed = 2, kTimed = 5;
  const c10::impl::VirtualGuardImpl impl(device.type());
  AttentionChoice choice;
  double best_ms = 0;
  for (const char* kernel : {"flash", "cudnn", "efficient", "math"}) {
    const std::string name = kernel;
    if (deterministic && (name == "cudnn" || name == "efficient")) continue;
    if (!fixed_shapes && name == "cudnn") continue;  // makes a plan a shape, in tens of milliseconds
    use_only(kernel);
    try {
      double ms = 0;
      for (const AttentionShape& s : shapes) {
        const at::Tensor qkv =
            at::randn({s.batch, s.tokens, 3, s.heads, s.head_width}, at::TensorOptions().dtype(type).device(device))
                .requires_grad_();
        const at::Tensor split = qkv.permute({2, 0, 3, 1, 4});
        for (int i = 0; i < kUntimed; ++i) attend(split, s.causal);
        impl.synchronizeDevice(device.index());
        const Timer timer;
        for (int i = 0; i < kTimed; ++i) attend(split, s.causal);
        impl.synchronizeDevice(device.index());
        ms += timer.milliseconds() / kTimed;
      }
      choice.ms.emplace_back(kernel, ms);
      if (choice.chosen.empty() || ms < best_ms) {
        best_ms = ms;
        choice.chosen = kernel;
      }
    } catch (const c10::Error&) {  // NOLINT(bugprone-empty-catch): this kernel does not take these shapes, another will
    }
  }
  if (choice.chosen.empty()) choice.chosen = "math";
  use_only(choice.chosen);
  return choice;
}

}  // namespace clip_hpc
