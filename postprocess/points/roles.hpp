// What the measures of a study are for: the main set, the sets that test robustness, few-shot, probes, retrieval. By
// the names of the paper's sets (ImageNet, COCO) where the study has them, else by what it has.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "postprocess/points/study_points.hpp"

namespace clip_hpc {

enum class Role {
  zeroshot,
  variants,               // mean over the other classification sets
  variants_without_real,  // the same without ReaL: the paper's figure 17b
  fewshot_low,            // 5 shots, or what the study has
  fewshot_high,           // 10 shots
  probe,
  probe_variants,
  image_to_text,
  text_to_image,
};
const char* words_of(Role role);  // "zero-shot classification": what is missing where it is not there

struct RoleMeasure {
  std::string name;       // "ImageNet", "mean of 2 sets"
  std::string how;        // "zero-shot", "5-shot", "linear probe", "image to text"
  std::string sets;       // of a mean: which
  bool as_paper = false;  // the paper's numbers are of the same measure
  std::vector<StudyPoint> points;
  bool is_recall() const { return how.ends_with("to text") || how.ends_with("to image"); }
};

struct Roles {
  std::map<Role, RoleMeasure> measures;
  std::vector<RoleMeasure> variants, probe_variants;  // set by set, in the paper's order
  std::vector<std::string> without;                   // names of measures that have no role
};

Roles roles_of(std::span<const StudyMeasure> measures);

// Mean over sets of the points that all of them have; its spread is that of the runs' means.
std::vector<StudyPoint> mean_of(std::span<const RoleMeasure> sets);

bool same_run(const StudyPoint& a, const StudyPoint& b);  // but for the seed

}  // namespace clip_hpc
