// What embed writes is what the model gives one sample at a time, on any number of ranks.
#include "clip_hpc/eval/embed.hpp"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/data/packed/shard.hpp"
#include "clip_hpc/model/caption_ids.hpp"
#include "tests/eval/eval_mpi_fixture.hpp"

namespace clip_hpc {
namespace {

class Embed : public testing::Test, protected test::OnAllRanks {
 protected:
  EmbedSource set_source() const {
    EmbedSource source;
    source.set.emplace(folder_ / "set");
    return source;
  }
  at::Tensor dataset(const std::string& name, at::ScalarType type) const {
    const std::filesystem::path path = folder_ / "features.h5";
    const Hid file = open_hdf5(path);
    const FileRegion region = region_of(file, name, at::elementSize(type), path);
    const at::Tensor values = at::empty({static_cast<std::int64_t>(region.size_bytes / at::elementSize(type))}, type);
    pread_all(FileDescriptor::open_read(path).get(),
              {static_cast<std::byte*>(values.mutable_data_ptr()), values.nbytes()}, region.offset_bytes,
              path.native());
    return values;
  }
};

TEST_F(Embed, APackedSet) {
  const at::NoGradGuard no_grad;
  const EmbedSource source = set_source();
  const EmbedParts parts = parse_embed_parts("inputs,image,text,ids", source);
  const EmbedCounts counts = embed(test_world(), context(), source, parts, {{"step", 7}}, folder_ / "features.h5");
  EXPECT_EQ(counts.images, 150);
  EXPECT_EQ(counts.texts, 300);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "features.h5.part"));
  const at::Tensor inputs = dataset("inputs", at::kFloat).view({150, 3, 32, 32});
  EXPECT_TRUE(at::allclose(dataset("image", at::kFloat).view({150, 16}),
                           normalise_features(model_.encode_image(inputs)), 1e-4, 1e-6));
  EXPECT_TRUE(
      at::equal(dataset("image", at::kFloat).view({150, 16}), image_features(context(), set_, FeatureKind::projected)));
  const at::Tensor image_of = dataset("image_of", at::kLong), ids = dataset("ids", at::kLong).view({300, 12});
  std::int64_t row = 0;
  for (std::uint64_t i = 0; i < set_.count(); ++i) {
    for (const std::string& caption : split_captions(set_.captions(i))) {
      EXPECT_EQ(image_of[row].item<std::int64_t>(), static_cast<std::int64_t>(i));
      EXPECT_TRUE(at::equal(ids[row], at::tensor(tokenizer_.encode(caption, 12), at::kLong)));
      ++row;
    }
  }
  EXPECT_EQ(row, 300);
  EXPECT_TRUE(at::allclose(dataset("text", at::kFloat).view({300, 16}), normalise_features(model_.encode_text(ids)),
                           1e-4, 1e-6));
  const Hid file = open_hdf5(folder_ / "features.h5");
  EXPECT_EQ(read_attribute_u64(file, "step", "features.h5"), 7U);
}

TEST_F(Embed, LinesAlone) {
  EmbedSource source;
  source.texts = {"a red house", "", "a green tree"};
  const EmbedCounts counts =
      embed(test_world(), context(), source, parse_embed_parts("", source), Json::object(), folder_ / "features.h5");
  EXPECT_EQ(counts.images, 0);
  EXPECT_EQ(dataset("text", at::kFloat).numel(), 3 * 16);
  const Hid file = open_hdf5(folder_ / "features.h5");
  EXPECT_FALSE(has_dataset(file, "image"));
  EXPECT_FALSE(has_dataset(file, "image_of"));
}

// A picture that only one rank meets fails on all of them, and nothing is left.
TEST_F(Embed, ABrokenPictureIsNamedOnAllRanks) {
  test::on_rank_0([&] { write_file_atomic(folder_ / "broken.png", "no picture"); });
  EmbedSource source;
  source.images = {folder_ / "broken.png"};
  test::expect_error(ErrorKind::storage, {"broken.png"}, [&] {
    embed(test_world(), context(), source, parse_embed_parts("", source), Json::object(), folder_ / "features.h5");
  });
  test_world().barrier();
  EXPECT_FALSE(std::filesystem::exists(folder_ / "features.h5"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "features.h5.part"));
}

TEST_F(Embed, PartsThatAreNotThereAreRefused) {
  EmbedSource source;
  source.texts = {"a"};
  test::expect_error(ErrorKind::input, {"--images"}, [&] { parse_embed_parts("text,image", source); });
  test::expect_error(ErrorKind::input, {"imgae"}, [&] { parse_embed_parts("imgae", source); });
  source = {};
  source.images = {"a.png"};
  test::expect_error(ErrorKind::input, {"--texts"}, [&] { parse_embed_parts("ids", source); });
}

}  // namespace
}  // namespace clip_hpc
