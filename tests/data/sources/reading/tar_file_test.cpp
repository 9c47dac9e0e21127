#include "data/sources/reading/tar_file.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/file.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

// A header block of ustar; size as 12 bytes of its own choice.
std::string header(const std::string& name, const std::string& size, char type = '0', const std::string& tail = "",
                   const std::string& link = "") {
  std::string block(512, '\0');
  block.replace(0, name.size(), name);
  block.replace(100, 7, "0000644");
  block.replace(108, 7, "0000000");
  block.replace(116, 7, "0000000");
  block.replace(124, size.size(), size);
  block.replace(136, 11, "00000000000");
  block.replace(148, 8, "        ");
  block[156] = type;
  block.replace(157, link.size(), link);
  block.replace(257, 6, type == 'S' ? "ustar " : std::string("ustar\0", 6));
  block.replace(263, 2, type == 'S' ? std::string(" \0", 2) : "00");
  if (!tail.empty()) block.replace(386, tail.size(), tail);
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  block.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  return block;
}

std::string octal(std::uint64_t size) { return fmt::format("{:011o}", size); }

std::string base_256(std::uint64_t size) {
  std::string field(12, '\0');
  field[0] = static_cast<char>(0x80);
  for (std::size_t i = 0; i < 8; ++i) field[11 - i] = static_cast<char>(size >> (8 * i) & 255);
  return field;
}

const std::string kEnd(1024, '\0');

TEST(TarFile, WhatAMemberClaimsIsNotBelieved) {
  const test::TempFolder folder;
  const auto take = [](const TarSample&) {};
  for (const std::string& size : {octal(std::uint64_t{8} << 30 >> 1), base_256(std::uint64_t{8} << 30),
                                  base_256(std::uint64_t{1} << 62), std::string(12, '\xFF')}) {
    write_file_atomic(folder / "a.tar", header("1.jpg", size) + std::string(72 << 10, 'x'));
    test::expect_error(ErrorKind::storage, {"a.tar"}, [&] { read_tar(folder / "a.tar", take); });
  }
  // Holes take no bytes in the tar file: 8 GiB of nothing.
  const std::string map = octal(0) + std::string(1, ' ') + octal(0) + std::string(1, ' ');
  std::string tail = map;
  tail.resize(96, '\0');
  tail += std::string(1, '\0') + octal(std::uint64_t{4} << 30);
  write_file_atomic(folder / "a.tar", header("1.jpg", octal(0), 'S', tail) + kEnd);
  InputLimits limits;
  limits.tar_member_bytes = 1 << 20;
  std::uint64_t most = 0;
  try {
    read_tar(
        folder / "a.tar",
        [&](const TarSample& sample) {
          for (const auto& entry : sample.fields) most = std::max<std::uint64_t>(most, entry.second.size());
        },
        limits);
  } catch (const Error& problem) {
    EXPECT_NE(std::string(problem.what()).find("a.tar"), std::string::npos);
  }
  EXPECT_LE(most, limits.tar_member_bytes);
}

TEST(TarFile, LimitsNameTarAndMember) {
  const test::TempFolder folder;
  InputLimits limits;
  limits.tar_member_bytes = 1 << 20;
  limits.tar_sample_bytes = 3 << 19;
  const std::string bytes(1 << 20, 'x');
  const auto read = [&] {
    read_tar(
        folder / "a.tar", [](const TarSample&) {}, limits);
  };
  write_file_atomic(folder / "a.tar",
                    header("1.jpg", octal(bytes.size() + 512)) + bytes + std::string(512, 'x') + kEnd);
  test::expect_error(ErrorKind::storage, {"a.tar", "member 1.jpg", "1 MiB"}, read);
  write_file_atomic(folder / "a.tar",
                    header("1.jpg", octal(bytes.size())) + bytes + header("1.txt", octal(1 << 20)) + bytes + kEnd);
  test::expect_error(ErrorKind::storage, {"a.tar", "the sample of 1.txt"}, read);
  // What no sample is made of may be as large as it likes.
  write_file_atomic(folder / "a.tar", header("1.mp4", octal(bytes.size() * 2)) + bytes + bytes + kEnd);
  read();
}

TEST(TarFile, LinksAndTheirTargets) {
  const test::TempFolder folder;
  write_file_atomic(folder / "a.tar", header("0.jpg", octal(3)) + "abc" + std::string(509, '\0') +
                                          header("1.jpg", octal(0), '1', "", "0.jpg") +
                                          header("2.jpg", octal(0), '2', "", "elsewhere.jpg") + kEnd);
  std::vector<TarSample> samples;
  read_tar(folder / "a.tar", [&](const TarSample& sample) { samples.push_back(sample); });
  ASSERT_EQ(samples.size(), 3U);
  EXPECT_EQ(samples[0].fields.at("jpg").size(), 3U);
  EXPECT_TRUE(samples[1].fields.empty());
  EXPECT_EQ(samples[1].links.at("jpg"), "0.jpg");
  EXPECT_EQ(samples[2].links.at("jpg"), "elsewhere.jpg");
}

TEST(TarFile, NamesOutsideTheLocale) {
  const test::TempFolder folder;
  // An extended header of pax: "LENGTH path=NAME\n", in UTF-8.
  std::string path =
      "20 path=gr\xC3\xB6\xC3\x9F"
      "e.txt\n";
  ASSERT_EQ(path.size(), 20U);
  path.resize(512, '\0');
  write_file_atomic(folder / "a.tar", header("PaxHeader", octal(20), 'x') + path + header("other.txt", octal(1)) + "x" +
                                          std::string(511, '\0') + kEnd);
  std::string key;
  const TarRemarks remarks = read_tar(folder / "a.tar", [&](const TarSample& sample) { key = sample.key; });
  EXPECT_EQ(key,
            "gr\xC3\xB6\xC3\x9F"
            "e");
  EXPECT_EQ(remarks.nameless, 0U);
}

}  // namespace
}  // namespace clip_hpc
