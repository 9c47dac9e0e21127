#include "clip_hpc/base/failure.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <new>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {
namespace {

template <class Problem>
ErrorKind kind_of(const Problem& problem) {
  return error_of(problem).kind();
}

TEST(Failure, WhatEndsAProgramHasAKind) {
  EXPECT_EQ(kind_of(comm_error("x")), ErrorKind::comm);
  EXPECT_STREQ(error_of(comm_error("words")).what(), "words");
  const std::filesystem::filesystem_error no_folder("cannot create", "/a/b",
                                                    std::make_error_code(std::errc::permission_denied));
  EXPECT_EQ(kind_of(no_folder), ErrorKind::storage);
  EXPECT_NE(std::string(error_of(no_folder).what()).find("/a/b"), std::string::npos);
  EXPECT_EQ(kind_of(std::bad_alloc()), ErrorKind::input);
  EXPECT_EQ(kind_of(std::length_error("vector::reserve")), ErrorKind::input);
  EXPECT_EQ(kind_of(std::runtime_error("x")), ErrorKind::internal);
  try {
    Json::parse("[1]").get<std::string>();
    FAIL();
  } catch (const std::exception& problem) {
    EXPECT_EQ(kind_of(problem), ErrorKind::storage);
  }
}

}  // namespace
}  // namespace clip_hpc
