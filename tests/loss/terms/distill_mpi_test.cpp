// Distillation of a batch that is spread over ranks, against its definition in double precision on the whole batch.
#include "clip_hpc/loss/terms/distill.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

constexpr double kTeacherScale = 7;

at::Tensor unit(std::int64_t rows, std::int64_t width, double from) {
  const at::Tensor x = at::arange(rows * width, at::kDouble).mul(0.7).add(from).sin().view({rows, width});
  return x / x.norm(2, {1}, true);
}

struct Whole {
  at::Tensor image, text, teacher, logit_scale;  // [rows, 6], [rows, 6], [rows, 2 * 4]
};

Whole whole_batch(std::int64_t rows) {
  return {unit(rows, 6, 0.3).requires_grad_(), unit(rows, 6, 1.1).requires_grad_(),
          at::cat({unit(rows, 4, 2.0), unit(rows, 4, 0.1)}, 1), at::full({}, 1.7, at::kDouble).requires_grad_()};
}

at::Tensor reference(const Whole& batch) {
  const at::Tensor theirs = batch.teacher.slice(1, 0, 4).mm(batch.teacher.slice(1, 4).t()) * kTeacherScale;
  const at::Tensor ours = batch.image.mm(batch.text.t()) * batch.logit_scale.exp();
  const auto one_way = [](const at::Tensor& target, const at::Tensor& student) {
    return -(target.softmax(1) * student.log_softmax(1)).sum(1).mean();
  };
  return (one_way(theirs, ours) + one_way(theirs.t(), ours.t())) / 2;
}

void check(const std::vector<std::int64_t>& rows, at::ScalarType type, double tolerance) {
  World& world = test_world();
  const auto comm = make_mpi_communicator(world);
  const BatchSplit split{rows, world.rank()};
  const Whole whole = whole_batch(split.global());
  const at::Tensor expected = reference(whole);
  const auto truth = torch::autograd::grad({expected}, {whole.image, whole.text, whole.logit_scale});

  const auto mine = [&](const at::Tensor& x) {
    return x.detach().narrow(0, split.first(), split.rows()).to(type).clone();
  };
  const at::Tensor image = mine(whole.image).requires_grad_(), text = mine(whole.text).requires_grad_();
  const at::Tensor scale = whole.logit_scale.detach().to(type).requires_grad_();
  const at::Tensor part = distill_term().partial(*comm, {image, text, {}, mine(whole.teacher)}, {scale, {}}, split,
                                                 {.teacher_scale = kTeacherScale});
  const auto found = torch::autograd::grad({part}, {image, text, scale});
  const auto sum = [&](const at::Tensor& one) {
    const at::Tensor all = one.detach().clone().contiguous();
    comm->all_reduce(all, ReduceOp::sum);
    return all.to(at::kDouble);
  };
  const auto near = [&](const at::Tensor& a, const at::Tensor& b) {
    return at::allclose(a.to(at::kDouble), b, tolerance, tolerance);
  };
  EXPECT_TRUE(near(sum(part), expected)) << expected.item<double>();
  EXPECT_TRUE(near(found[0], truth[0].narrow(0, split.first(), split.rows())));
  EXPECT_TRUE(near(found[1], truth[1].narrow(0, split.first(), split.rows())));
  EXPECT_TRUE(near(sum(found[2]), truth[2]));
}

TEST(DistillTerm, LossAndEveryGradientEqualTheWholeBatch) {
  const std::vector<std::int64_t> even(static_cast<std::size_t>(test_world().size()), 5), uneven{3, 1, 7, 0};
  for (const auto& rows : {even, std::vector<std::int64_t>(uneven.begin(), uneven.begin() + test_world().size())}) {
    check(rows, at::kDouble, 1e-12);
    check(rows, at::kFloat, 1e-5);
  }
}

// A student that is its teacher has the teacher's own entropy as its loss, and no gradient.
TEST(DistillTerm, ATeacherOfItselfLearnsNothing) {
  const auto comm = make_self_communicator();
  const at::Tensor image = unit(5, 6, 0.3).requires_grad_(), text = unit(5, 6, 1.1).requires_grad_();
  const at::Tensor teacher = at::cat({image.detach(), text.detach()}, 1);
  const at::Tensor loss = distill_term().partial(*comm, {image, text, {}, teacher},
                                                 {at::full({}, std::log(kTeacherScale), at::kDouble), {}}, {{5}, 0},
                                                 {.teacher_scale = kTeacherScale});
  for (const at::Tensor& gradient : torch::autograd::grad({loss}, {image, text})) {
    EXPECT_LT(gradient.abs().max().item<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace clip_hpc
