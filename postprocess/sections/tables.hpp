// The results of a study as tables, one a family of measures: HTML for the page, Markdown, LaTeX (booktabs), CSV.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "postprocess/points/robustness.hpp"
#include "postprocess/points/roles.hpp"

namespace clip_hpc {

struct TableWord {
  std::string shown;  // "3.4B"
  std::string exact;  // of the CSV: "3400000000"
};

struct TableValue {
  double value = std::numeric_limits<double>::quiet_NaN();  // not measured
  double spread = 0;                                        // half the range over seeds
  bool best = false;                                        // of its column
};

struct Table {
  std::string id;  // file name: "zeroshot"
  std::string title, note;
  std::vector<std::string> heads, metrics;  // columns of words, then of values
  struct Row {
    std::vector<TableWord> words;
    std::vector<TableValue> values;
  };
  std::vector<Row> rows;
  int decimals = 1;
};

// Zero-shot, few-shot, linear probe, retrieval (accuracy or recall in %, best in bold), and robustness: what a series
// has beyond the line of its accuracy, in points, and the lines.
std::vector<Table> tables_of(const Roles& roles, Scale scale);

std::string html_of(const Table& table);
std::string markdown_of(const Table& table);
std::string latex_of(const Table& table);  // longtable from 40 rows on
std::string csv_of(const Table& table);

}  // namespace clip_hpc
