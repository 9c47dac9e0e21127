#include "clip_hpc/eval/result_names.hpp"

#include <gtest/gtest.h>

namespace clip_hpc {
namespace {

SetNames apart(const std::vector<std::string>& folders, const SetNames& given = {}) {
  return names_apart(folders, given);
}

TEST(ResultNames, SetsThatWouldBeCalledAlikeGetMoreOfTheirPaths) {
  EXPECT_EQ(apart({"/d/v1/shapes/test", "/d/v1/shapes/train"}), (SetNames{}));
  EXPECT_EQ(apart({"/d/v1/shapes/test", "/d/v2/shapes/test", "/d/v2/shapes/train"}),
            (SetNames{{"/d/v1/shapes/test", "v1/shapes/test"}, {"/d/v2/shapes/test", "v2/shapes/test"}}));
  EXPECT_EQ(apart({"/a/v1/shapes/test", "/b/v1/shapes/test"}),
            (SetNames{{"/a/v1/shapes/test", "a/v1/shapes/test"}, {"/b/v1/shapes/test", "b/v1/shapes/test"}}));
  EXPECT_EQ(apart({"/shapes/test", "/b/shapes/test"}),
            (SetNames{{"/shapes/test", "/shapes/test"}, {"/b/shapes/test", "b/shapes/test"}}));
}

TEST(ResultNames, OneSetTwiceAndNamesThatAreGivenStay) {
  EXPECT_EQ(apart({"/d/shapes/test", "/d/shapes/test", "/d/x/../shapes/test"}), (SetNames{}));
  const SetNames given{{"/d/v1/shapes/test", "mine"}};
  EXPECT_EQ(apart({"/d/v1/shapes/test", "/d/v2/shapes/test"}, given), given);
}

}  // namespace
}  // namespace clip_hpc
