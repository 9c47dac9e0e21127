#include "clip_hpc/study/cost.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

#include "clip_hpc/base/file.hpp"
#include "tests/expect_error.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kPage = R"(# Models

| model | patches | for people |
|---|---|---|
| net | 16 | 1.2 M |

| model | image tower | image size | patches | context | parameters | image fixed | image per patch | image per patch² | text fixed | text per token | text per token² | file hash |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
| `net` | vit | 32 | 16 | 77 | 1200000 | 1 | 2 | 3 | 4 | 5 | 6 | 0123456789abcdef |
| cnn | convnext | 32 | 0 | 16 | 7 | 1000 | 0 | 0 | 4 | 5 | 6 | ffffffffffffffff |

Text behind it.
)";

constexpr const char* kJson =
    R"({"name": "net", "image_size": 16, "patches": 4, "context": 8, "parameters": {"image": 1, "total": 9},
  "macs": {"image": {"fixed": 10, "per_token": 2, "per_token_squared": 1},
           "text": {"fixed": 1, "per_token": 0, "per_token_squared": 0}}})";

std::filesystem::path tiny() {
  const char* source = std::getenv("CLIP_HPC_SOURCE_DIR");
  return std::filesystem::path(source == nullptr ? "." : source) / "configs/models/tiny.json";
}

TEST(Cost, APageOfModelsIsReadByTheNamesOfItsColumns) {
  const auto rows = parse_models_page(kPage);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].cost.model, "net");
  EXPECT_EQ(rows[0].file_hash, "0123456789abcdef");
  EXPECT_EQ(rows[0].cost.parameters, 1200000);
  EXPECT_EQ(rows[0].cost.macs(16, 77), 1 + 2 * 16 + 3 * 256 + 4 + 5 * 77 + 6 * 77 * 77);
  EXPECT_EQ(rows[1].cost.patches, 0);
}

TEST(Cost, FlipKeepsPatchesWhereThereAreSome) {
  const auto rows = parse_models_page(kPage);
  EXPECT_EQ(kept_patches(rows[0].cost, "clip", 0.5), 16);
  EXPECT_EQ(kept_patches(rows[0].cost, "flip", 0.5), 8);
  EXPECT_EQ(kept_patches(rows[0].cost, "flip", 0.99), 1);
  EXPECT_EQ(kept_patches(rows[1].cost, "flip", 0.5), 0);
}

TEST(Cost, APairCostsWhatItsPhasesAndViewsCost) {
  const ModelCost patches{.image_size = 32,
                          .patches = 16,
                          .context = 7,
                          .image = {.fixed = 5, .per_token = 2, .per_token_squared = 1},
                          .text = {.fixed = 100, .per_token = 0, .per_token_squared = 0}};
  const auto image = [](double n) { return 5 + 2 * n + n * n; };
  EXPECT_EQ(pair_macs(patches, {.strategy = "clip"}), image(16) + 100);
  EXPECT_EQ(pair_macs(patches, {.strategy = "flip", .mask_ratio = 0.5}), image(8) + 100);
  EXPECT_EQ(pair_macs(patches, {.strategy = "slip", .views = 3}), 3 * image(16) + 100);
  EXPECT_EQ(pair_macs(patches, {.strategy = "clip", .unmasked = 0.25, .image_size = 16}),
            0.75 * image(4) + 0.25 * image(16) + 100);
  EXPECT_EQ(pair_macs(patches, {.strategy = "flip", .mask_ratio = 0.5, .image_size = 16}), image(2) + 100);
  const ModelCost maps{.image_size = 32, .image = {.fixed = 400}};
  EXPECT_EQ(pair_macs(maps, {.strategy = "clip", .image_size = 16}), 100);
}

TEST(Cost, OfAModelOfThePageWhateverItsName) {
  const Scratch scratch;
  const std::string text = read_text_file(tiny());
  write_file_atomic(scratch / "mine.json", text);
  const auto cost = cost_on_page(scratch / "mine.json");
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->patches, 16);
  EXPECT_EQ(cost->context, 16);
  EXPECT_EQ(cost->parameters, 1181825);
  EXPECT_EQ(cost->macs(16, 16), 606976.0 + 16 * 615936 + 256 * 768 + 16384 + 16 * 393216 + 256 * 512);
  write_file_atomic(scratch / "tiny.json", text + " ");  // edited: another model, whatever its name
  EXPECT_FALSE(cost_on_page(scratch / "tiny.json"));
}

TEST(Cost, AModelThatIsNotThereIsRefused) {
  test::expect_error(ErrorKind::input, {"model.config: no.json does not exist", "configs/models/"},
                     [] { find_cost("no.json"); });
}

TEST(Cost, OfAnotherModelClipHpcIsAsked) {
  const Scratch scratch;
  const auto program = [&](const std::string& body) {
    write_file_atomic(scratch / "program", "#!/bin/sh\n" + body);
    std::filesystem::permissions(scratch / "program", std::filesystem::perms::owner_all);
    return (scratch / "program").native();
  };
  const std::string tell = program(fmt::format("[ \"$1 $3\" = 'model --json' ] && cat <<'EOF'\n[{}]\nEOF\n", kJson));
  const auto cost = ask_cost(tell, "a 'model'.json");
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->model, "a 'model'");
  EXPECT_EQ(cost->macs(4, 8), 10 + 8 + 16 + 1);
  EXPECT_EQ(cost->parameters, 9);
  test::expect_error(ErrorKind::input, {"net.json", "bad input: no such tower"}, [&] {
    ask_cost(program("echo first >&2; echo 'clip_hpc: bad input: no such tower' >&2; exit 2\n"), "net.json");
  });
  test::expect_error(ErrorKind::input, {"wrote no JSON"}, [&] { ask_cost(program("echo net: 5 M\n"), "net.json"); });
  test::expect_error(ErrorKind::input, {"of another version", "macs"}, [&] {
    ask_cost(program("echo '{\"image_size\": 16, \"patches\": 1, \"context\": 1, \"parameters\": {\"total\": 1}}'\n"),
             "net.json");
  });
  EXPECT_FALSE(ask_cost((scratch / "nothing").native(), "net.json"));
}

}  // namespace
}  // namespace clip_hpc
