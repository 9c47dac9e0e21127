#include "clip_hpc/eval/features.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/data/image/pillow_kinds.hpp"

namespace clip_hpc {
namespace {

// Palettes, CMYK and 16 bits too: eval and score see the images of a packed set as open_clip does.
TEST(ImagePixels, OfAPackedSetAreOpenClipsForEveryKind) {
  const test::TempFolder folder;
  const std::vector<test::PillowKind> kinds = test::pillow_kinds();
  const auto set = test::make_set(folder / "set", kinds.size(), 100, "mixed", [&](std::uint64_t i) {
    PackedSample sample = test::grey_sample(i);
    sample.image = kinds[i].file;
    return sample;
  });
  const at::Tensor pixels =
      image_pixels(*set, parse_view("eval", 4), 0, static_cast<std::int64_t>(kinds.size()));  // [kinds, 3, 4, 4]
  for (std::size_t i = 0; i < kinds.size(); ++i) {
    const at::Tensor rows = pixels[static_cast<std::int64_t>(i)].permute({1, 2, 0}).contiguous();
    const std::uint8_t* bytes = rows.const_data_ptr<std::uint8_t>();
    EXPECT_EQ(std::vector<std::uint8_t>(bytes, bytes + rows.numel()), kinds[i].shortest) << kinds[i].name;
  }
}

}  // namespace
}  // namespace clip_hpc
