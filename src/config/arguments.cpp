#include "clip_hpc/config/arguments.hpp"

#include <sstream>

#include "clip_hpc/base/error.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};
template <class T>
struct Inner {
  using type = T;
  static constexpr bool is_optional = false;
};
template <class T>
struct Inner<std::optional<T>> {
  using type = T;
  static constexpr bool is_optional = true;
};

}  // namespace

template <class T>
void ArgumentTable::add(const std::string& name, T& field, const std::string& help,
                        std::type_identity_t<Check<T>> check) {
  using Value = typename Inner<T>::type;
  const auto receive = [&field, check, label = "--" + name](const Value& value) {
    if (check.test) check(label, T(value));
    field = value;
  };
  if constexpr (std::is_same_v<T, bool>) {
    if (field) {
      description_.add_options()(name.c_str(), po::value(&field)->default_value(true), help.c_str());
      return;
    }
    description_.add_options()(name.c_str(), po::bool_switch(&field)->default_value(field), help.c_str());
  } else {
    auto* value = po::value<Value>();
    value->notifier(receive);
    if constexpr (IsVector<Value>::value) value->multitoken();
    if constexpr (std::is_arithmetic_v<T>) value->default_value(field);
    if constexpr (std::is_same_v<T, std::string>) {
      if (!field.empty()) value->default_value(field);
    }
    description_.add_options()(name.c_str(), value, help.c_str());
  }
}

template void ArgumentTable::add(const std::string&, std::string&, const std::string&, Check<std::string>);
template void ArgumentTable::add(const std::string&, bool&, const std::string&, Check<bool>);
template void ArgumentTable::add(const std::string&, std::int64_t&, const std::string&, Check<std::int64_t>);
template void ArgumentTable::add(const std::string&, double&, const std::string&, Check<double>);
template void ArgumentTable::add(const std::string&, std::vector<std::string>&, const std::string&,
                                 Check<std::vector<std::string>>);
template void ArgumentTable::add(const std::string&, std::vector<std::int64_t>&, const std::string&,
                                 Check<std::vector<std::int64_t>>);
template void ArgumentTable::add(const std::string&, std::vector<double>&, const std::string&,
                                 Check<std::vector<double>>);
template void ArgumentTable::add(const std::string&, std::optional<std::string>&, const std::string&,
                                 Check<std::optional<std::string>>);
template void ArgumentTable::add(const std::string&, std::optional<std::int64_t>&, const std::string&,
                                 Check<std::optional<std::int64_t>>);
template void ArgumentTable::add(const std::string&, std::optional<double>&, const std::string&,
                                 Check<std::optional<double>>);

void ArgumentTable::add_implicit(const std::string& name, std::int64_t& field, std::int64_t implicit,
                                 const std::string& help, const Check<std::int64_t>& check) {
  auto* value = po::value<std::int64_t>(&field)->implicit_value(implicit);
  if (check.test) value->notifier([check, label = "--" + name](std::int64_t given) { check(label, given); });
  description_.add_options()(name.c_str(), value, help.c_str());
}

void ArgumentTable::add_repeated(const std::string& name, std::vector<std::string>& field, const std::string& help) {
  description_.add_options()(name.c_str(), po::value(&field), help.c_str());
}

std::vector<std::string> ArgumentTable::names() const {
  std::vector<std::string> names;
  for (const auto& option : description_.options()) names.push_back(option->long_name());
  return names;
}

void ArgumentTable::add_positional(const std::string& name, std::vector<std::string>& field) {
  unlisted_.add_options()(name.c_str(), po::value(&field));
  positional_.add(name.c_str(), -1);
}

bool ArgumentTable::parse(std::span<const std::string> arguments) {
  description_.add_options()("help,h", "this text");
  try {
    // "--dat" is not "--data": an option that a later version adds must not change what a job script means.
    constexpr int kStyle = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    po::options_description all;
    all.add(description_).add(unlisted_);
    po::store(po::command_line_parser(std::vector<std::string>(arguments.begin(), arguments.end()))
                  .options(all)
                  .positional(positional_)
                  .style(kStyle)
                  .run(),
              map_);
    if (map_.contains("help")) return false;
    po::notify(map_);
  } catch (const po::error& problem) {
    throw input_error("{}; --help lists the options", problem.what());
  }
  return true;
}

std::string ArgumentTable::help(std::string_view usage) const {
  std::ostringstream text;
  text << usage << '\n' << description_;
  return text.str();
}

}  // namespace clip_hpc
