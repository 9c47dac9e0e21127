// Zero-shot by class: the worst classes with what they are taken for, and the confusion matrix, out of the files
// per_class/SET_confusion.json that eval.per_class leaves in a run folder.
#pragma once

#include <string>
#include <vector>

#include "postprocess/read/runs.hpp"

namespace clip_hpc {

// HTML, empty where no run has such a file. A file that cannot be read is named in `problems`.
std::string confusion_sections(const std::vector<RunRecord>& runs, std::vector<std::string>& problems);

}  // namespace clip_hpc
