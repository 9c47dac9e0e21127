// What zero-shot classification asks of a packed set: which classes compete, in which words, and which of them are
// right for each sample. Everything that a user may have got wrong in a file is found here, before a model runs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/data/packed/packed_set.hpp"

namespace clip_hpc {

// An empty path: as the set has it. A class is named by its name, or where that is none, by its number from 0.
struct ZeroshotFiles {
  std::filesystem::path templates = {};   // one a line, {c} or {} stands for the class name
  std::filesystem::path classnames = {};  // one a line, those of the set's labels in order unless there is a label map
  std::filesystem::path classes =
      {};  // one a line: these alone compete; samples of others are left out (ImageNet-A, -R)
  std::filesystem::path label_map =
      {};  // JSON {class of the set: [class that counts, …]}; others are left out (ObjectNet)
  std::filesystem::path multilabel = {};  // JSON [[right class, …], …], one list a sample; empty: left out (ReaL)
  bool canonicalise = false;              // lower case without punctuation, as big_vision
  bool of_classes() const;                // whether one of them says what the classes are
};

struct ZeroshotTask {
  std::vector<std::string> templates;
  std::vector<std::string> names;                // of the classes that compete
  std::vector<std::int64_t> samples;             // that count, ascending
  std::vector<std::vector<std::int64_t>> right;  // of each of them: classes that count as right, at least one
  std::vector<std::string> truths;               // names of what samples are; with a label map other than `names`
  std::vector<std::int64_t> truth;               // of each sample: what it is; of several right classes the first
  bool has_classes = true;                       // false: several right classes a sample, so no recall by class
};

// Throws input where files and set do not fit, storage where the set's own files are missing.
ZeroshotTask zeroshot_task(const PackedSet& set, const std::string& label, const ZeroshotFiles& files);

// Puts the name into every {c} of the template, or where it has none, into every {}. Throws input where it has neither.
std::string fill_template(const std::string& form, const std::string& name);
std::size_t placeholder_in(const std::string& form);  // where the first of them stands

// As big_vision: underscores become spaces, ASCII punctuation goes but for `kept`, ASCII letters become lower case,
// runs of white space one space, none at the ends.
std::string canonical(std::string_view text, std::string_view kept = {});

}  // namespace clip_hpc
