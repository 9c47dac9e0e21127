// Features with labels, as few-shot regression and linear probes take them, and how two packed sets share their
// classes.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "clip_hpc/base/random.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"

namespace clip_hpc {

struct Samples {
  at::Tensor x;                 // [n, dim] fp32
  std::vector<std::int64_t> y;  // n classes
};

// Test samples and the classes that compete there: scores of `columns` alone are compared, y counts within them. -1:
// the class of this sample has no training sample, so every answer is wrong. Empty columns: all classes compete.
struct TestSamples {
  std::string name;
  Samples samples;
  std::vector<std::int64_t> columns;
};

// Throws input where a head cannot be trained on them: nothing there, labels outside 0 .. classes-1, a class without a
// sample, features that are not finite. `what` names them in the message.
void check_trainable(const Samples& samples, std::int64_t classes, const std::string& what);
void check_testable(const TestSamples& test, std::int64_t dim, std::int64_t classes);

Samples take(const Samples& samples, const std::vector<std::int64_t>& rows);

// Rows of each class in an order that depends on the seed, the class and the number of its rows alone.
std::vector<std::vector<std::int64_t>> shuffled_rows_by_class(const std::vector<std::int64_t>& labels,
                                                              std::int64_t classes, std::uint64_t seed,
                                                              Purpose purpose);

// weight [dim, classes] and bias [classes] of one head -> what ClassTally says of the test samples.
std::map<std::string, double> head_metrics(const at::Tensor& weight, const at::Tensor& bias, const TestSamples& test);

// The classes that a head can learn: those of the set's class names that occur in it.
struct TrainClasses {
  std::vector<std::string> names;
  std::vector<std::size_t> occurrences;  // of each name among all of the set's classes of that name, from 0
  std::vector<std::int64_t> labels;      // of every sample, index into names
};
TrainClasses train_classes(const PackedSet& train, const std::string& label);

// Labels and columns of a test set (x is left empty), matched by class name, and of classes of one name by their order
// among all of that name, with training samples or without. Throws input where no class is shared.
TestSamples match_classes(const PackedSet& test, const std::string& label, const TrainClasses& train);

}  // namespace clip_hpc
