// One table of all options. Each module declares its own struct and adds its fields here; the table reads files and
// --set, converts values with Boost.Program_options, checks ranges, dumps the resolved configuration and writes
// docs/config.md.
// Precedence: --set, then files (the last wins), then defaults. An unknown key names the nearest known one.
#pragma once

#include <boost/program_options.hpp>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace clip_hpc {

// What a value may be: a test that throws Error{input}, and the same in words for docs/config.md.
template <class T>
struct Check {
  std::function<void(const std::string& name, const T& value)> test;
  std::string allowed;

  Check() = default;
  template <std::invocable<const std::string&, const T&> F>
  Check(F function, std::string words = "")  // NOLINT(google-explicit-constructor): modules hand over lambdas
      : test(std::move(function)), allowed(std::move(words)) {}
  void operator()(const std::string& name, const T& value) const { test(name, value); }
};

Check<double> in_range(double low, double high);  // low <= value <= high, and finite
Check<double> above(double low);                  // value > low, and finite
Check<std::int64_t> at_least(std::int64_t low);
Check<std::int64_t> in_range(std::int64_t low, std::int64_t high);
Check<std::string> one_of(std::vector<std::string> words);

enum class OtherSections { refuse, pass_over };

class OptionTable {
 public:
  // T: std::string, bool, std::int64_t, double or std::vector<std::string> (a repeatable key). `field` holds the
  // default and receives the value; it must outlive the table.
  template <class T>
  void add(const std::string& name, T& field, const std::string& help, std::type_identity_t<Check<T>> check = {});

  // Reads `files` (INI) and `overrides` ("section.key=value") into the fields. Throws Error{input}.
  // With OtherSections::pass_over, sections of the files that the table has no key of are not looked at.
  void parse(const std::vector<std::filesystem::path>& files, const std::vector<std::string>& overrides,
             OtherSections others = OtherSections::refuse);

  std::string dump() const;      // resolved INI: every key, parseable again to the same values
  std::string markdown() const;  // the body of docs/config.md
  std::string help() const;      // for --help
  std::vector<std::string> names() const;

 private:
  bool has_section(const std::string& section) const;

  struct Row {
    std::string name;
    std::string help;
    std::string default_text;
    std::string type;
    std::string allowed;
    std::function<std::vector<std::string>()> values;  // current values as INI text, one an assignment
    std::function<void()> check;
    bool repeatable = false;
  };
  std::string unknown_key(const std::string& key) const;  // the message

  boost::program_options::options_description description_{"configuration"};
  std::vector<Row> rows_;
};

std::string nearest_word(const std::string& word, const std::vector<std::string>& known);  // least edit distance

}  // namespace clip_hpc
