#include "clip_hpc/checkpoint/formats/hugging_face.hpp"

#include <gtest/gtest.h>

#include "tests/data/data_fixtures.hpp"
#include "tests/logged.hpp"

namespace clip_hpc {
namespace {

const Json kClip = {{"model_type", "clip"}, {"projection_dim", 512}};

std::string told(const Json& preprocessor) {
  return test::logged(0, [&] { open_clip_json(kClip, preprocessor, "openai"); });
}

// OpenAI's own files give plain numbers; others leave the size out.
TEST(HuggingFaceConfig, EveryFormOfASizeIsRead) {
  for (const Json& size : {Json(224), Json{{"shortest_edge", 224}}, Json(), Json{{"height", 224}, {"width", 224}}}) {
    for (const Json& crop : {Json(224), Json{{"height", 224}, {"width", 224}}, Json()}) {
      EXPECT_EQ(told({{"size", size}, {"crop_size", crop}}), "") << size.dump() << " " << crop.dump();
    }
  }
  EXPECT_EQ(told({{"crop_size", 224}}), "");
  for (const Json& size : {Json(256), Json{{"shortest_edge", 256}}}) {
    EXPECT_NE(told({{"size", size}, {"crop_size", 224}}).find("shortest_edge = 256 with a crop of 224"),
              std::string::npos)
        << size.dump();
  }
  EXPECT_EQ(open_clip_json(kClip, {{"size", 224}, {"crop_size", 224}}, "openai")["preprocess_cfg"]["resize_mode"],
            "shortest");
}

TEST(HuggingFaceConfig, AKindOfModelThatIsNoTextIsNamed) {
  for (const Json& type : {Json(3), Json("blip"), Json()}) {
    test::expect_error(ErrorKind::input, {"there", "model_type = " + type.dump(), "clip and siglip"}, [&] {
      open_clip_json({{"model_type", type}}, {}, "there");
    });
  }
  test::expect_error(ErrorKind::input, {"model_type = null"}, [&] { open_clip_json(Json::array(), {}, "there"); });
}

}  // namespace
}  // namespace clip_hpc
