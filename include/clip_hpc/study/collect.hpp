// All results of a study as one table.
#pragma once

#include <string>

#include "clip_hpc/study/folder.hpp"

namespace clip_hpc {

struct StudyTable {
  Json json;                        // {"study", "axes", "cells": [...]}: a cell with its points, cost and results
  std::string csv;                  // one line a point, result and metric
  std::vector<std::string> broken;  // what of a cell could not be read: the table lacks that, and no other cell
};

StudyTable collect_study(const StudyFolder& study);

}  // namespace clip_hpc
