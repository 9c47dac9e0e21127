// The options of a command line, as all programs read them: one line each, with the check beside it.
#pragma once

#include <boost/program_options.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "clip_hpc/config/option_table.hpp"

namespace clip_hpc {

class ArgumentTable {
 public:
  explicit ArgumentTable(const std::string& title = "Options") : description_(title) {}

  // --name VALUE. T: std::string, bool (a switch, or where it is on by default a value), std::int64_t, double, a vector
  // of one of these but bool (takes all values that follow), or a std::optional of one. `field` holds the default,
  // which --help shows where it says something, and receives the value; it must outlive the table. The check sees only
  // what was given.
  template <class T>
  void add(const std::string& name, T& field, const std::string& help, std::type_identity_t<Check<T>> check = {});

  // --name, or --name VALUE: without a value the option is `implicit`.
  void add_implicit(const std::string& name, std::int64_t& field, std::int64_t implicit, const std::string& help,
                    const Check<std::int64_t>& check = {});

  // As add, for an option that is repeated: --config A --config B. One value each time.
  void add_repeated(const std::string& name, std::vector<std::string>& field, const std::string& help);

  // The options of another table as well, below its title; its fields receive their values.
  void add_group(const ArgumentTable& group) { description_.add(group.description_); }
  std::vector<std::string> names() const;

  // What stands without an option's name: FILE... --help does not list it, the usage says it.
  void add_positional(const std::string& name, std::vector<std::string>& field);

  // Reads `arguments` into the fields. False when --help was asked for. Throws Error{input} that points to --help.
  bool parse(std::span<const std::string> arguments);
  bool given(const std::string& name) const { return map_.contains(name) && !map_[name].defaulted(); }

  std::string help(std::string_view usage) const;  // usage and examples, then the options

 private:
  boost::program_options::options_description description_;
  boost::program_options::options_description unlisted_;
  boost::program_options::positional_options_description positional_;
  boost::program_options::variables_map map_;
};

}  // namespace clip_hpc
