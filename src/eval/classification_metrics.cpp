#include "clip_hpc/eval/classification_metrics.hpp"

namespace clip_hpc {

ClassTally::ClassTally(std::int64_t classes, std::int64_t answers)
    : answers_(answers < 0 ? classes : answers),
      seen_(static_cast<std::size_t>(classes), 0),
      right_(static_cast<std::size_t>(classes), 0) {}

void ClassTally::add(std::int64_t truth, std::int64_t place) {
  ++n_;
  top1_ += place == 0;
  top5_ += place < 5;
  if (seen_.empty()) return;
  seen_[static_cast<std::size_t>(truth)] += 1;
  right_[static_cast<std::size_t>(truth)] += place == 0;
}

void ClassTally::add_unanswerable() {
  ++n_;
  ++unanswerable_;
}

std::map<std::string, double> ClassTally::metrics() const {
  std::map<std::string, double> metrics;
  const auto n = static_cast<double>(n_);
  metrics["acc1"] = static_cast<double>(top1_) / n;
  if (answers_ >= 5) metrics["acc5"] = static_cast<double>(top5_) / n;
  if (seen_.empty()) return metrics;
  double recall = 0;
  std::int64_t present = unanswerable_ > 0 ? 1 : 0;  // together they are one class more, with a recall of zero
  for (std::size_t c = 0; c < seen_.size(); ++c) {
    if (seen_[c] == 0) continue;
    recall += static_cast<double>(right_[c]) / static_cast<double>(seen_[c]);
    ++present;
  }
  metrics["mean_per_class_recall"] = recall / static_cast<double>(present);
  return metrics;
}

void add_scores(ClassTally& tally, const at::Tensor& scores, std::span<const std::int64_t> labels) {
  const at::Tensor truth = at::tensor(at::ArrayRef<std::int64_t>(labels.data(), labels.size()), at::kLong)
                               .clamp_min(0)
                               .unsqueeze(1);                                            // [n, 1]
  const at::Tensor own = scores.gather(1, truth);                                        // [n, 1]
  const at::Tensor after = at::arange(scores.size(1), at::kLong).unsqueeze(0) >= truth;  // [n, classes]
  // Counted are the classes that it beats, itself among them: a score that is not a number beats none.
  const at::Tensor beaten = own.gt(scores).logical_or(own.eq(scores).logical_and(after)).sum(1, false, at::kLong);
  const at::Tensor place = (scores.size(1) - beaten).contiguous();
  const std::int64_t* places = place.const_data_ptr<std::int64_t>();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0) {
      tally.add_unanswerable();
    } else {
      tally.add(labels[i], places[i]);
    }
  }
}

}  // namespace clip_hpc
