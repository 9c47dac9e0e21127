#include "clip_hpc/loss/terms/distill.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/gather_with_grad.hpp"

namespace clip_hpc {
namespace {

// Of this rank's rows: minus the sum of teacher's softmax times log softmax of the student. [rows, dim], [global, dim]
// of each, the teacher's already times its scale.
at::Tensor cross_entropy(const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& scale,
                         const at::Tensor& teacher_queries, const at::Tensor& teacher_keys) {
  const at::Tensor target = at::matmul(teacher_queries, teacher_keys.t()).softmax(1);  // [rows, global]
  return -(target * at::matmul(queries * scale, keys.t()).log_softmax(1)).sum();
}

at::Tensor partial_distill(Communicator& comm, const Encoded& rows, const Scales& scales, const BatchSplit& split,
                           const LossOptions& options) {
  if (!rows.teacher.defined()) throw internal_error("a batch without a teacher's features");
  const std::int64_t width = rows.image.size(1), teacher_width = rows.teacher.size(1) / 2;
  const at::Tensor taught = rows.teacher.to(rows.image.scalar_type());
  const at::Tensor all = gather_rows(comm, at::cat({rows.image, rows.text}, 1), split.rows_per_rank);
  const at::Tensor all_taught = gather_rows(comm, taught, split.rows_per_rank);  // [global, 2 * teacher width]
  const at::Tensor scale = scales.logit_scale.to(rows.image.scalar_type()).exp();
  const auto image_of = [&](const at::Tensor& both) { return both.slice(1, 0, teacher_width); };
  const auto text_of = [&](const at::Tensor& both) { return both.slice(1, teacher_width); };
  const at::Tensor own = taught * options.teacher_scale;
  const at::Tensor both = cross_entropy(rows.image, all.slice(1, width), scale, image_of(own), text_of(all_taught)) +
                          cross_entropy(rows.text, all.slice(1, 0, width), scale, text_of(own), image_of(all_taught));
  return both * (0.5 / static_cast<double>(split.global()));
}

}  // namespace

LossTerm distill_term() {
  return {.name = "distill",
          .help = "cross entropy with a teacher's similarities in both directions, of data.teacher",
          .is_extra = true,
          .initial = {},
          .partial = partial_distill};
}

}  // namespace clip_hpc
