#include "postprocess/read/missing.hpp"

#include <algorithm>
#include <functional>
#include <numeric>
#include <tuple>

namespace clip_hpc {
namespace {

std::vector<std::string> labels_of(const StudyView& study, const std::string& axis) {
  std::vector<std::string> labels;
  for (const StudyCell& cell : study.cells) {
    for (const GridPoint& point : cell.points) {
      for (const auto& [name, label] : point.labels) {
        if (name == axis && std::ranges::find(labels, label) == labels.end()) labels.push_back(label);
      }
    }
  }
  return labels;
}

std::string label_in(const GridPoint& point, const std::string& axis) {
  const auto found = std::ranges::find(point.labels, axis, &std::pair<std::string, std::string>::first);
  return found == point.labels.end() ? "" : found->second;
}

void count(std::vector<Lack>& lacks, const std::string& name, const StudyCell& cell) {
  auto lack = std::ranges::find(lacks, name, &Lack::name);
  if (lack == lacks.end()) lack = lacks.insert(lacks.end(), {name, 0, 0, {}, {}});
  ++lack->points;
  if (cell.results.empty()) {
    lack->without.push_back(cell.name);
  } else {
    ++lack->with_result;
    lack->places.insert(cell.macs * cell.samples);
  }
}

}  // namespace

int StateMatrix::Box::all() const { return std::accumulate(cells.begin(), cells.end(), 0); }

StateKind StateMatrix::Box::worst() const {
  for (const StateKind kind :
       {StateKind::failed, StateKind::stopped, StateKind::running, StateKind::missing, StateKind::later}) {
    if (cells[static_cast<std::size_t>(kind)] > 0) return kind;
  }
  return StateKind::done;
}

StateMatrix state_matrix(const StudyView& study) {
  std::vector<std::pair<std::string, std::vector<std::string>>> axes;
  for (const std::string& axis : study.axes) {
    std::vector<std::string> labels = labels_of(study, axis);
    if (labels.size() > 1) axes.emplace_back(axis, std::move(labels));
  }
  StateMatrix matrix;
  if (axes.size() < 2) return matrix;
  std::ranges::stable_sort(axes, std::greater{}, [](const auto& axis) { return axis.second.size(); });
  std::tie(matrix.row_axis, matrix.rows) = axes[0];
  std::tie(matrix.column_axis, matrix.columns) = axes[1];
  matrix.boxes.assign(matrix.rows.size(), std::vector<StateMatrix::Box>(matrix.columns.size()));
  for (const StudyCell& cell : study.cells) {
    std::vector<std::pair<std::size_t, std::size_t>> counted;  // a cell of two points with the same labels is one
    for (const GridPoint& point : cell.points) {
      const auto row = static_cast<std::size_t>(std::ranges::find(matrix.rows, label_in(point, matrix.row_axis)) -
                                                matrix.rows.begin());
      const auto column = static_cast<std::size_t>(
          std::ranges::find(matrix.columns, label_in(point, matrix.column_axis)) - matrix.columns.begin());
      if (row == matrix.rows.size() || column == matrix.columns.size()) continue;
      if (std::ranges::find(counted, std::pair{row, column}) != counted.end()) continue;
      counted.emplace_back(row, column);
      ++matrix.boxes[row][column].cells[static_cast<std::size_t>(cell.kind)];
    }
  }
  return matrix;
}

std::vector<Lack> lacks_by_grid(const StudyView& study) {
  std::vector<Lack> lacks;
  for (const StudyCell& cell : study.cells) {
    for (const GridPoint& point : cell.points) count(lacks, point.grid, cell);
  }
  return lacks;
}

std::vector<Lack> lacks_by_series(const StudyView& study) {
  std::vector<Lack> lacks;
  for (const StudyCell& cell : study.cells) count(lacks, cell.tower + ", " + cell.strategy, cell);
  return lacks;
}

}  // namespace clip_hpc
