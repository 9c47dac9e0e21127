// An error of a kind, with words in it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc::test {

// Runs `action`, which must throw an Error of this kind whose message holds every one of `words`.
template <class Action>
void expect_error(ErrorKind kind, const std::vector<std::string>& words, Action action) {
  try {
    action();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    for (const std::string& word : words) {
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos)
          << "no \"" << word << "\" in: " << error.what();
    }
  }
}

}  // namespace clip_hpc::test
