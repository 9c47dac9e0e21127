#include "ops/attention_cpu.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "clip_hpc/model/layers/transformer_block.hpp"
#include "tests/ops/fused_ops_cases.hpp"

namespace clip_hpc {
namespace {

struct AttentionOutcome {
  at::Tensor out, by_qkv;
};
using AttentionOp = at::Tensor (*)(const at::Tensor&, std::int64_t, bool);

AttentionOutcome apply(AttentionOp op, at::ScalarType type, std::int64_t batch, std::int64_t tokens, std::int64_t heads,
                       std::int64_t head_width, bool causal) {
  const at::Tensor values =  // what bf16 can hold, so that all precisions get the same input
      pattern({batch, tokens, 3 * heads * head_width}, 0.7, 2.0, 0.1, at::kBFloat16, at::kCPU);
  const at::Tensor qkv = values.to(type).requires_grad_();
  const at::Tensor out = op(qkv, heads, causal);
  const at::Tensor pull = pattern(out.sizes(), 0.37, 1.0, 0.0, at::kBFloat16, at::kCPU).to(type);
  return {out.detach(), torch::autograd::grad({out}, {qkv}, {pull})[0]};
}

class AttentionCpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!can_attend_on_cpu(at::zeros({1, 1, 3}))) GTEST_SKIP() << "libdnnl is not installed";
  }
};

TEST_F(AttentionCpu, ValueAndGradientAreTheReferencesInDoublePrecision) {
  for (const bool causal : {false, true}) {
    for (const auto& [batch, tokens, heads, head_width] :
         {std::tuple{2, 65, 3, 64}, {3, 17, 2, 32}, {1, 1, 1, 8}, {5, 2, 4, 24}, {1, 200, 1, 16}}) {
      const AttentionOutcome expected =
          apply(attention_reference, at::kDouble, batch, tokens, heads, head_width, causal);
      const AttentionOutcome found = apply(attention_cpu, at::kFloat, batch, tokens, heads, head_width, causal);
      EXPECT_TRUE(close(found.out, expected.out, 1e-5)) << tokens << causal;
      EXPECT_TRUE(close(found.by_qkv, expected.by_qkv, 3e-5)) << tokens << causal;
      const AttentionOutcome coarse = apply(attention_cpu, at::kBFloat16, batch, tokens, heads, head_width, causal);
      EXPECT_TRUE(close(coarse.out, expected.out, 0.01)) << tokens << causal;
      EXPECT_TRUE(close(coarse.by_qkv, expected.by_qkv, 0.03)) << tokens << causal;
    }
  }
}

TEST_F(AttentionCpu, ATokenSeesNothingBehindItself) {
  const at::Tensor qkv = pattern({1, 9, 3 * 16}, 0.7, 1.0, 0.0, at::kFloat, at::kCPU);
  at::Tensor other = qkv.clone();
  other.slice(1, 5).fill_(100);
  const at::Tensor a = attention_cpu(qkv, 2, true), b = attention_cpu(other, 2, true);
  EXPECT_TRUE(at::equal(a.slice(1, 0, 5), b.slice(1, 0, 5)));
  EXPECT_FALSE(at::equal(a.slice(1, 5), b.slice(1, 5)));
}

TEST_F(AttentionCpu, LargeScoresStayFinite) {
  const at::Tensor qkv = (pattern({2, 12, 3 * 8}, 0.7, 300.0, 0.0, at::kFloat, at::kCPU)).requires_grad_();
  const at::Tensor out = attention_cpu(qkv, 1, false);
  EXPECT_TRUE(at::isfinite(out).all().item<bool>());
  EXPECT_TRUE(at::isfinite(torch::autograd::grad({out.sum()}, {qkv})[0]).all().item<bool>());
}

TEST_F(AttentionCpu, BitsDoNotDependOnTheNumberOfThreads) {
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const AttentionOutcome one = apply(attention_cpu, at::kFloat, 4, 33, 3, 32, true);
  at::set_num_threads(3);
  const AttentionOutcome three = apply(attention_cpu, at::kFloat, 4, 33, 3, 32, true);
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(one.out, three.out) && at::equal(one.by_qkv, three.by_qkv));
}

TEST_F(AttentionCpu, LongSequencesAndOtherTypesTakeAnotherWay) {
  EXPECT_FALSE(can_attend_on_cpu(at::zeros({1, 513, 3})));
  EXPECT_FALSE(can_attend_on_cpu(at::zeros({1, 2, 3}, at::kDouble)));
}

}  // namespace
}  // namespace clip_hpc
