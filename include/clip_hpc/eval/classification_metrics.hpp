// What every classification reports: acc1, acc5, mean_per_class_recall (CLIP_benchmark's names), as shares 0..1.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

class ClassTally {
 public:
  // `answers`: classes to choose from where they are others than the classes of the samples. No classes: no recall.
  explicit ClassTally(std::int64_t classes, std::int64_t answers = -1);
  void add(std::int64_t truth, std::int64_t place);  // place of the true class among the answers, best first, from 0
  void add_unanswerable();                           // an image of a class that nobody could name: wrong
  std::map<std::string, double> metrics() const;     // acc5 from five answers on; NaN where nothing was added
  std::int64_t seen(std::int64_t c) const { return seen_[static_cast<std::size_t>(c)]; }    // samples of a class
  std::int64_t right(std::int64_t c) const { return right_[static_cast<std::size_t>(c)]; }  // of them: place 0

 private:
  std::int64_t answers_;
  std::int64_t n_ = 0, top1_ = 0, top5_ = 0, unanswerable_ = 0;
  std::vector<std::int64_t> seen_, right_;  // by class
};

// scores [n, classes], n labels: a label of -1 is unanswerable. Of equal scores the lower class comes first.
void add_scores(ClassTally& tally, const at::Tensor& scores, std::span<const std::int64_t> labels);

}  // namespace clip_hpc
