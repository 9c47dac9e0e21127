#include "clip_hpc/eval/samples.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/eval/classification_metrics.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kScoreRows = 1024;  // test samples that are scored together

at::Tensor index_tensor(const std::vector<std::int64_t>& indices) { return at::tensor(indices, at::kLong); }

void check_features(const Samples& samples, const std::string& what) {
  if (samples.x.dim() != 2 || samples.x.size(0) != static_cast<std::int64_t>(samples.y.size())) {
    throw internal_error("{}: {} labels for features of another number", what, samples.y.size());
  }
  if (samples.y.empty()) throw input_error("{} holds no sample: name a packed set that has some", what);
  if (!at::isfinite(samples.x).all().item<bool>()) {
    throw input_error("{}: features are not finite: the model diverged, evaluate an older checkpoint", what);
  }
}

}  // namespace

void check_trainable(const Samples& samples, std::int64_t classes, const std::string& what) {
  check_features(samples, what);
  if (classes < 2) throw input_error("{} has {} class: a classifier needs two at least", what, classes);
  std::vector<std::int64_t> count(static_cast<std::size_t>(classes), 0);
  for (const std::int64_t label : samples.y) {
    if (label < 0 || label >= classes) {
      throw input_error("{}: label {} is outside the {} classes: mend the labels or the class names", what, label,
                        classes);
    }
    ++count[static_cast<std::size_t>(label)];
  }
  const auto missing = std::find(count.begin(), count.end(), 0);
  if (missing != count.end()) {
    throw input_error("{}: class {} has no training sample: add some, or leave the class out", what,
                      missing - count.begin());
  }
}

void check_testable(const TestSamples& test, std::int64_t dim, std::int64_t classes) {
  check_features(test.samples, test.name);
  if (test.samples.x.size(1) != dim) {
    throw input_error("{} has features of width {}, the training samples of {}: use one model and one kind", test.name,
                      test.samples.x.size(1), dim);
  }
  const auto competing = test.columns.empty() ? classes : static_cast<std::int64_t>(test.columns.size());
  for (const std::int64_t column : test.columns) {
    if (column < 0 || column >= classes) throw internal_error("{}: no class {}", test.name, column);
  }
  for (const std::int64_t label : test.samples.y) {
    if (label < -1 || label >= competing) {
      throw input_error("{}: label {} is outside the {} classes: mend the labels or the class names", test.name, label,
                        competing);
    }
  }
}

Samples take(const Samples& samples, const std::vector<std::int64_t>& rows) {
  Samples taken{samples.x.index_select(0, index_tensor(rows)), {}};
  for (const std::int64_t row : rows) taken.y.push_back(samples.y[static_cast<std::size_t>(row)]);
  return taken;
}

std::vector<std::vector<std::int64_t>> shuffled_rows_by_class(const std::vector<std::int64_t>& labels,
                                                              std::int64_t classes, std::uint64_t seed,
                                                              Purpose purpose) {
  std::vector<std::vector<std::int64_t>> by_class(static_cast<std::size_t>(classes));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    by_class[static_cast<std::size_t>(labels[i])].push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t c = 0; c < by_class.size(); ++c) {
    const std::vector<std::int64_t> rows = by_class[c];
    if (rows.empty()) continue;
    const KeyedPermutation order(rows.size(), seed, purpose, c);
    for (std::size_t i = 0; i < rows.size(); ++i) by_class[c][i] = rows[order(i)];
  }
  return by_class;
}

std::map<std::string, double> head_metrics(const at::Tensor& weight, const at::Tensor& bias, const TestSamples& test) {
  at::Tensor w = weight, b = bias;
  if (!test.columns.empty()) {
    w = w.index_select(1, index_tensor(test.columns));
    b = b.index_select(0, index_tensor(test.columns));
  }
  ClassTally tally(w.size(1));
  const std::int64_t n = test.samples.x.size(0);
  for (std::int64_t begin = 0; begin < n; begin += kScoreRows) {
    const std::int64_t end = std::min(n, begin + kScoreRows);
    const at::Tensor scores = at::addmm(b, test.samples.x.slice(0, begin, end).to(w.scalar_type()), w);
    add_scores(
        tally, scores,
        std::span(test.samples.y).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
  }
  return tally.metrics();
}

TrainClasses train_classes(const PackedSet& train, const std::string& label) {
  const std::vector<std::string> names = train.classnames(label);
  const std::vector<std::int32_t> labels = train.all_labels(label);
  std::vector<std::int64_t> place(names.size(), -1);
  for (const std::int32_t one : labels) {
    if (one < 0 || static_cast<std::size_t>(one) >= names.size()) {
      throw input_error("{}: label {} is outside the {} class names: pack the set again", train.folder().native(), one,
                        names.size());
    }
    place[static_cast<std::size_t>(one)] = 0;
  }
  TrainClasses classes;
  std::map<std::string, std::size_t> times;
  for (std::size_t c = 0; c < names.size(); ++c) {
    const std::size_t occurrence = times[names[c]]++;
    if (place[c] < 0) continue;
    place[c] = static_cast<std::int64_t>(classes.names.size());
    classes.names.push_back(names[c]);
    classes.occurrences.push_back(occurrence);
  }
  for (const std::int32_t one : labels) classes.labels.push_back(place[static_cast<std::size_t>(one)]);
  return classes;
}

TestSamples match_classes(const PackedSet& test, const std::string& label, const TrainClasses& train) {
  // Classes may share a name (two of ImageNet's are "missile"): then they are matched in their order.
  std::map<std::pair<std::string, std::size_t>, std::int64_t> known;
  for (std::size_t c = 0; c < train.names.size(); ++c) {
    known[{train.names[c], train.occurrences[c]}] = static_cast<std::int64_t>(c);
  }
  std::map<std::string, std::size_t> times;
  const std::vector<std::string> names = test.classnames(label);
  TestSamples matched;
  matched.name = test.folder().native();
  std::vector<std::int64_t> place(names.size(), -1);
  for (std::size_t c = 0; c < names.size(); ++c) {
    const auto found = known.find({names[c], times[names[c]]++});
    if (found == known.end()) continue;
    place[c] = static_cast<std::int64_t>(matched.columns.size());
    matched.columns.push_back(found->second);
  }
  std::size_t answerable = 0;
  for (const std::int32_t one : test.all_labels(label)) {
    if (one < 0 || static_cast<std::size_t>(one) >= names.size()) {
      throw input_error("{}: label {} is outside the {} class names: pack the set again", matched.name, one,
                        names.size());
    }
    matched.samples.y.push_back(place[static_cast<std::size_t>(one)]);
    answerable += matched.samples.y.back() >= 0 ? 1 : 0;
  }
  if (answerable == 0) {
    throw input_error(
        "{}: none of its classes by {} has a training sample in eval.train_data: name a training split "
        "with the same class names",
        matched.name, label);
  }
  return matched;
}

}  // namespace clip_hpc
