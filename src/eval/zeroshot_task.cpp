#include "clip_hpc/eval/zeroshot_task.hpp"

#include <algorithm>
#include <charconv>
#include <map>
#include <numeric>
#include <span>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/text.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";  // Python's string.punctuation
constexpr std::string_view kSpaces = " \t\n\v\f\r";

void check_there(const fs::path& file, const char* key) {
  if (!fs::is_regular_file(file)) throw input_error("{} = {}: there is no such file", key, file.native());
}

std::vector<std::string> lines_of(const fs::path& file, const char* key) {
  check_there(file, key);
  std::vector<std::string> lines = split_lines(read_text_file(file));
  std::erase(lines, "");
  if (lines.empty()) throw input_error("{} = {} is empty: give one entry a line", key, file.native());
  return lines;
}

Json json_of(const fs::path& file, const char* key) {
  check_there(file, key);
  try {
    return read_json_file(file);
  } catch (const Error& problem) {
    throw input_error("{} = {}", key, problem.what());  // the user's own file, not a damaged set
  }
}

std::string_view placeholder(std::string_view form) {
  return form.find("{c}") != std::string_view::npos ? "{c}" : "{}";
}

// Finds classes by name, or by number where no class has that name.
class ClassIndex {
 public:
  explicit ClassIndex(const std::vector<std::string>& names) : size_(static_cast<std::int64_t>(names.size())) {
    for (std::size_t c = 0; c < names.size(); ++c) of_name_[names[c]].push_back(static_cast<std::int64_t>(c));
  }

  std::int64_t at(std::string_view word, const std::string& where) const {
    const auto found = of_name_.find(word);
    if (found != of_name_.end() && found->second.size() > 1) {
      throw input_error("{}: {} classes are called \"{}\": give the number of one, {}", where, found->second.size(),
                        word, fmt::join(found->second, " or "));
    }
    if (found != of_name_.end()) return found->second.front();
    std::int64_t number = 0;
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (problem != std::errc{} || end != word.data() + word.size()) {
      throw input_error("{}: no class is called \"{}\": give a line of the class names, or its number from 0", where,
                        word);
    }
    return at(number, where);
  }

  std::int64_t at(std::int64_t number, const std::string& where) const {
    if (number < 0 || number >= size_) {
      throw input_error("{}: class {} is outside the {} class names: numbers go from 0 to {}", where, number, size_,
                        size_ - 1);
    }
    return number;
  }

  // A JSON list of names and numbers.
  std::vector<std::int64_t> list(const Json& json, const std::string& where) const {
    if (!json.is_array()) throw input_error("{}: a list of classes is wanted, [3, \"tench\"]", where);
    std::vector<std::int64_t> all;
    for (const Json& one : json) {
      if (!one.is_number_integer() && !one.is_string()) {
        throw input_error("{}: {} is no class: give a name or a number", where, one.dump());
      }
      all.push_back(one.is_string() ? at(one.get<std::string>(), where) : at(one.get<std::int64_t>(), where));
    }
    return all;
  }

 private:
  std::int64_t size_;
  std::map<std::string, std::vector<std::int64_t>, std::less<>> of_name_;
};

// Classes that are right for every class of the set, by its label map. None: not in the map.
std::vector<std::vector<std::int64_t>> mapped_classes(const fs::path& file, const std::vector<std::string>& set_names,
                                                      const ClassIndex& model) {
  const std::string where = "eval.label_map = " + file.native();
  const Json json = json_of(file, "eval.label_map");
  if (!json.is_object() || json.empty()) {
    throw input_error("{}: an object is wanted, {{\"class of the set\": [classes that count]}}", where);
  }
  const ClassIndex own(set_names);
  std::vector<std::vector<std::int64_t>> right(set_names.size());
  for (const auto& [name, classes] : json.items()) {
    right[static_cast<std::size_t>(own.at(name, where))] = model.list(classes, fmt::format("{}, \"{}\"", where, name));
  }
  return right;
}

}  // namespace

bool ZeroshotFiles::of_classes() const {
  return !classnames.empty() || !classes.empty() || !label_map.empty() || !multilabel.empty();
}

std::size_t placeholder_in(const std::string& form) {
  const std::size_t at = form.find(placeholder(form));
  if (at == std::string::npos) {
    throw input_error("template \"{}\" has no {{c}} or {{}} for the class name: write \"a photo of a {{c}}.\"", form);
  }
  return at;
}

std::string fill_template(const std::string& form, const std::string& name) {
  const std::string_view hole = placeholder(form);
  auto at = placeholder_in(form);
  std::string filled;
  std::size_t begin = 0;
  for (; at != std::string::npos; at = form.find(hole, begin)) {
    filled += form.substr(begin, at - begin) + name;
    begin = at + hole.size();
  }
  return filled + form.substr(begin);
}

std::string canonical(std::string_view text, std::string_view kept) {
  std::string out;
  bool gap = false;  // white space since the last letter
  const auto put = [&](std::string_view part) {
    if (gap && !out.empty()) out += ' ';
    gap = false;
    out += part;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!kept.empty() && text.substr(i).starts_with(kept)) {
      put(kept);
      i += kept.size() - 1;
    } else if (text[i] == '_' || kSpaces.find(text[i]) != std::string_view::npos) {
      gap = true;
    } else if (kPunctuation.find(text[i]) == std::string_view::npos) {
      const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] - 'A' + 'a') : text[i];
      put({&c, 1});
    }
  }
  return out;
}

namespace {

using ClassLists = std::vector<std::vector<std::int64_t>>;

// The right classes of each sample, from a file that lists them in the set's order.
ClassLists listed_classes(const fs::path& file, const PackedSet& set, std::span<const std::int32_t> labels,
                          const ClassIndex& index) {
  const Json json = json_of(file, "eval.multilabel");
  const std::string where = "eval.multilabel = " + file.native();
  if (!json.is_array() || json.size() != set.count()) {
    throw input_error("{}: {} has {} samples: give a list of as many lists of classes, in the set's order", where,
                      set.folder().native(), set.count());
  }
  ClassLists right;
  for (std::size_t i = 0; i < json.size(); ++i) {
    right.push_back(index.list(json[i], fmt::format("{}, sample {}", where, i)));
  }
  // A list in another order than the set's would give numbers all the same.
  std::size_t told = 0, own = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (right[i].empty() || labels[i] < 0) continue;
    ++told;
    own += std::ranges::find(right[i], std::int64_t{labels[i]}) != right[i].end() ? 1 : 0;
  }
  if (told >= 1000 && own * 10 < told) {
    throw input_error(
        "{}: only {} of {} samples have their own class among the right ones: the list is in another order than {}",
        where, own, told, set.folder().native());
  }
  return right;
}

// Names of a file stand for those of the set, one by one.
void check_number_of_names(const fs::path& file, std::size_t names, const PackedSet& set, const std::string& label) {
  std::size_t own = names;
  try {
    own = set.classnames(label).size();
  } catch (const Error&) {  // a set without names of its own is what the file is for
  }
  if (own != names) {
    throw input_error(
        "eval.classnames = {} has {} names, {} has {}: give a name for each label, or eval.label_map to say which "
        "classes count for which",
        file.native(), names, set.folder().native(), own);
  }
}

// The classes that compete, those of the file or all: their names go into the task. Returns the place of each class
// among them, -1 for one that does not compete.
std::vector<std::int64_t> choose_classes(ZeroshotTask& task, const fs::path& file,
                                         const std::vector<std::string>& names, const ClassIndex& index) {
  std::vector<std::int64_t> place(names.size());
  if (file.empty()) {
    std::iota(place.begin(), place.end(), 0);
    task.names = names;
    return place;
  }
  std::fill(place.begin(), place.end(), -1);
  const std::string where = "eval.classes = " + file.native();
  for (const std::string& line : lines_of(file, "eval.classes")) {
    const auto c = static_cast<std::size_t>(index.at(line, where));
    if (place[c] >= 0) throw input_error("{}: class \"{}\" is there twice: remove one line", where, line);
    place[c] = static_cast<std::int64_t>(task.names.size());
    task.names.push_back(names[c]);
  }
  return place;
}

void renumber(ClassLists& lists, const std::vector<std::int64_t>& place) {
  for (std::vector<std::int64_t>& right : lists) {
    for (std::int64_t& c : right) c = place[static_cast<std::size_t>(c)];
    std::erase(right, -1);
    std::sort(right.begin(), right.end());
    right.erase(std::unique(right.begin(), right.end()), right.end());
  }
}

// `right_of`: of each class where the task has classes, else of each sample.
void take_samples(ZeroshotTask& task, const PackedSet& set, std::span<const std::int32_t> labels,
                  const ClassLists& right_of) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (task.has_classes && (labels[i] < 0 || static_cast<std::size_t>(labels[i]) >= right_of.size())) {
      throw input_error("{}: label {} is outside the {} class names: mend the labels or the class names",
                        set.folder().native(), labels[i], right_of.size());
    }
    const std::vector<std::int64_t>& right = right_of[task.has_classes ? static_cast<std::size_t>(labels[i]) : i];
    if (right.empty()) continue;
    task.samples.push_back(static_cast<std::int64_t>(i));
    task.right.push_back(right);
    task.truth.push_back(task.has_classes ? labels[i] : right.front());
  }
  if (task.samples.empty()) {
    throw input_error(
        "{}: no sample is left to classify: name its classes in eval.classes, eval.label_map or eval.multilabel",
        set.folder().native());
  }
}

void canonicalise(ZeroshotTask& task) {
  for (std::string& form : task.templates) form = canonical(form, placeholder(form));
  for (std::string& name : task.names) {
    std::string plain = canonical(name, ",");  // big_vision keeps the commas between synonyms
    if (plain.empty()) throw input_error("class \"{}\" is punctuation alone: leave eval.canonicalise out", name);
    name = std::move(plain);
  }
}

}  // namespace

ZeroshotTask zeroshot_task(const PackedSet& set, const std::string& label, const ZeroshotFiles& files) {
  if (!files.label_map.empty() && !files.multilabel.empty()) {
    throw input_error("eval.label_map and eval.multilabel both say what is right: give one of them");
  }
  ZeroshotTask task;
  task.templates = files.templates.empty() ? set.templates() : lines_of(files.templates, "eval.templates");
  const std::vector<std::string> names =
      files.classnames.empty() ? set.classnames(label) : lines_of(files.classnames, "eval.classnames");
  const ClassIndex index(names);

  // Which classes are right for a sample: of its label, or of its place in the set.
  const std::vector<std::int32_t> labels = set.all_labels(label);
  ClassLists right_of;
  task.truths = names;
  if (!files.label_map.empty()) {
    task.truths = set.classnames(label);
    right_of = mapped_classes(files.label_map, task.truths, index);
  } else if (!files.multilabel.empty()) {
    task.has_classes = false;
    right_of = listed_classes(files.multilabel, set, labels, index);
  } else {
    for (std::size_t c = 0; c < names.size(); ++c) right_of.push_back({static_cast<std::int64_t>(c)});
    if (!files.classnames.empty()) check_number_of_names(files.classnames, names.size(), set, label);
  }

  renumber(right_of, choose_classes(task, files.classes, names, index));
  if (!task.has_classes) task.truths = task.names;
  take_samples(task, set, labels, right_of);
  if (files.canonicalise) canonicalise(task);
  for (const std::string& form : task.templates) fill_template(form, "");  // throws
  return task;
}

}  // namespace clip_hpc
