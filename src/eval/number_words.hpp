// Options that are lists of numbers: each word is one.
#pragma once

#include <charconv>
#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

template <class T>
std::vector<T> numbers_from(const std::string& name, const std::vector<std::string>& words) {  // throws input
  std::vector<T> all;
  for (const std::string& word : words) {
    T value{};
    const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (problem != std::errc{} || end != word.data() + word.size() || !(value >= T{0})) {
      throw input_error("{} takes numbers from 0, one a word, got \"{}\"", name, word);
    }
    all.push_back(value);
  }
  return all;
}

}  // namespace clip_hpc
