#include "clip_hpc/checkpoint/safetensors.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

TEST(Safetensors, TensorsComeBackWithNamesTypesAndShapes) {
  const test::TempFolder folder;
  const NamedTensors written = {{"a.weight", at::arange(12, at::kFloat).view({3, 4})},
                                {"scalar", at::full({}, 2.5, at::kFloat)},
                                {"half", at::arange(5, at::kFloat).to(at::kBFloat16)},
                                {"turned", at::arange(6, at::kFloat).view({2, 3}).t()},
                                {"empty", at::empty({0, 3}, at::kFloat)},
                                {"count", at::arange(3, at::kLong)}};
  write_safetensors(folder / "x.safetensors", written, {{"format", "pt"}});
  const NamedTensors read = read_safetensors(folder / "x.safetensors");
  ASSERT_EQ(read.size(), written.size());
  for (const auto& [name, tensor] : written) {
    const auto found = std::ranges::find(read, name, &NamedTensors::value_type::first);
    ASSERT_NE(found, read.end()) << name;
    EXPECT_EQ(found->second.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(found->second, tensor)) << name;
  }
}

TEST(Safetensors, TheHeaderIsTheOneOfTheFormat) {
  const test::TempFolder folder;
  write_safetensors(folder / "x.safetensors", {{"w", at::ones({2, 2}, at::kFloat)}}, {{"format", "pt"}});
  const std::string bytes = read_text_file(folder / "x.safetensors");
  const auto length = static_cast<std::size_t>(static_cast<unsigned char>(bytes[0]));  // little endian, short header
  EXPECT_EQ((8 + length) % 64, 0U);
  const std::string header = bytes.substr(8, length);
  EXPECT_NE(header.find(R"("w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]})"), std::string::npos) << header;
  EXPECT_NE(header.find(R"("__metadata__":{"format":"pt"})"), std::string::npos) << header;
  EXPECT_EQ(bytes.size(), 8 + length + 16);
}

TEST(Safetensors, DamagedFilesAreNamed) {
  const test::TempFolder folder;
  const auto path = folder / "x.safetensors";
  const auto fails = [&](const std::string& bytes, const std::string& word) {
    write_file_atomic(path, bytes);
    test::expect_error(ErrorKind::storage, {"x.safetensors", word}, [&] { read_safetensors(path); });
  };
  write_safetensors(path, {{"w", at::ones({100}, at::kFloat)}}, {});
  const std::string good = read_text_file(path);
  fails(good.substr(0, 5), "not a safetensors file");
  fails(good.substr(0, good.size() - 4), "truncated");
  fails(good + "tail", "4 bytes stand behind the data");
  fails(std::string(16, '\xff'), "not a safetensors file");
  std::string garbage = good;
  garbage[8] = 'x';
  fails(garbage, "header");
  const auto with_header = [](const std::string& header, std::size_t data) {
    std::string text(8, '\0');
    text[0] = static_cast<char>(header.size());
    return text + header + std::string(data, 'd');
  };
  fails(
      with_header(
          R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
          8),
      "overlaps");
  fails(with_header(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8), "wrong length");
  // 2^62 * 4 elements of 4 bytes are 0 bytes to a careless product.
  fails(with_header(R"({"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}})", 0), "elements");
  // Ends that wrap around, one tensor behind the other.
  fails(with_header(R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})", 0),
        "truncated");
  fails(with_header(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8), "negative");
  write_file_atomic(path, with_header(R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1));
  test::expect_error(ErrorKind::input, {"x.safetensors", "F8_E4M3", "convert"}, [&] { read_safetensors(path); });
  fails(with_header(R"({"a":{"dtype":"F32","shape":2,"data_offsets":[0,8]}})", 8), "header");
}

// Other writers sort by name or type: an empty tensor may follow, in the header, one that begins where it lies.
TEST(Safetensors, AnEmptyTensorMayStandAnywhereInTheHeader) {
  const test::TempFolder folder;
  const std::string header =
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})";
  std::string bytes(8, '\0');
  bytes[0] = static_cast<char>(header.size());
  write_file_atomic(folder / "x.safetensors", bytes + header + std::string(8, '\0'));
  EXPECT_EQ(read_safetensors(folder / "x.safetensors").size(), 2U);
}

}  // namespace
}  // namespace clip_hpc
