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
  explicit ClassTally(std::int64_t classes);
  void add(std::int64_t truth, std::int64_t place);  // place of the true class among the answers, best first, from 0
  void add_unanswerable();                           // an image of a class that nobody could name: wrong
  std::map<std::string, double> metrics() const;     // acc5 from five classes on; NaN where nothing was added

 private:
  std::int64_t n_ = 0, top1_ = 0, top5_ = 0, unanswerable_ = 0;
  std::vector<std::int64_t> seen_, right_;  // by class
};

// scores [n, classes], n labels: a label of -1 is unanswerable. Of equal scores the lower class comes first.
void add_scores(ClassTally& tally, const at::Tensor& scores, std::span<const std::int64_t> labels);

}  // namespace clip_hpc
