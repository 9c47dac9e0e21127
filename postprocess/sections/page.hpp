// The report: one HTML page that needs nothing else, and the data of its figures as CSV beside it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "postprocess/figures/catalogue.hpp"
#include "postprocess/figures/figures.hpp"
#include "postprocess/points/study_points.hpp"
#include "postprocess/read/study_cells.hpp"

namespace clip_hpc {

struct ReportOptions {
  std::vector<std::filesystem::path> runs;  // run folders, or folders of them
  std::filesystem::path output;             // FILE.html, or a folder that gets index.html
  std::string title = "clip_hpc report";
  bool log_x = false;
  std::vector<StudyMeasure> study;  // drawn with the runs, or without any
  std::string advice;               // plain text, shown first
  std::vector<Format> formats;      // in which figures are written beside the page, too
  CatalogueOptions catalogue;       // how the figures of the paper are made of the study
  StudyView study_view;             // its cells, and the runs of those that have begun
};

struct Report {
  std::filesystem::path page;
  std::size_t runs = 0;
  std::size_t figures = 0;
  std::vector<std::string> broken;   // files that could not be read, figures that could not be drawn
  std::vector<std::string> summary;  // lines of plain text: the newest evaluations and the speed of each run
};

// Throws input (no run, no gnuplot) and storage (cannot write). A broken file of one run does not stop the report: it
// is told on the page and in `broken`.
Report write_report(const ReportOptions& options);

}  // namespace clip_hpc
