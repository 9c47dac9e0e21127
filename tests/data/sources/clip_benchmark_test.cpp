#include "clip_hpc/data/sources/clip_benchmark.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/data/image/decode.hpp"
#include "clip_hpc/data/targets/clip_benchmark_target.hpp"
#include "data/sources/reading/clip_benchmark_files.hpp"
#include "data/sources/reading/tar_file.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

std::string as_text(const std::vector<std::uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

std::string png(int side, std::uint8_t shade) {
  return as_text(
      encode_png({side, side, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(side * side * 3), shade)}));
}

void write_text(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  write_file_atomic(path, text);
}

using Entry = std::pair<std::string, std::string>;

void write_split(const fs::path& folder, const std::vector<std::vector<Entry>>& tars) {
  fs::create_directories(folder);
  for (std::size_t i = 0; i < tars.size(); ++i) {
    TarWriter tar(folder / fmt::format("{}.tar", i));
    for (const auto& [name, bytes] : tars[i]) tar.add(name, bytes);
    tar.finish();
  }
  write_text(folder / "nshards.txt", fmt::format("{}\n", tars.size()));
}

PackedSet pack_split(const fs::path& folder, const std::string& split, const fs::path& output) {
  const PackSource source = open_clip_benchmark(folder, split);
  prepare_set_folder(output);
  std::vector<PackedPart> parts;
  for (std::uint64_t part = source.parts; part-- > 0;) {
    parts.push_back(pack_part(source, part, output));
    if (!parts.back().broken.empty()) throw storage_error("{}", parts.back().broken);
  }
  finish_set(source, parts, output);
  return PackedSet(output);
}

void export_set(const PackedSet& set, const ClipBenchmarkTarget& target) {
  prepare_clip_benchmark(set, target);
  for (std::size_t shard = 0; shard < set.info().shards.size(); ++shard) write_clip_benchmark_tar(set, target, shard);
  finish_clip_benchmark(set, target);
}

// A classification of two tars in the layout that clip_benchmark_export_wds writes.
void write_classification(const fs::path& folder) {
  write_text(folder / "classnames.txt", "a cat\n dog \nlynx\n\n");
  write_text(folder / "zeroshot_classification_templates.txt", "a photo of {c}.\nit is {c}, {c}");
  write_split(folder / "test", {{{"s0000000.png", png(8, 10)}, {"s0000000.cls", "2"}},
                                {{"s0000001.png", png(9, 20)}, {"s0000001.cls", "0"}}});
}

TEST(ClipBenchmarkSet, ReadsAClassification) {
  const test::TempFolder folder;
  write_classification(folder / "in");
  write_split(folder / "in" / "train", {{{"a.png", png(8, 1)}, {"a.cls", "1"}}});
  EXPECT_EQ(clip_benchmark_splits(folder / "in"), (std::vector<std::string>{"test", "train"}));
  const PackedSet set = pack_split(folder / "in", "test", folder / "out");
  EXPECT_EQ(set.all_labels("label"), (std::vector<std::int32_t>{2, 0}));
  EXPECT_EQ(set.classnames(), (std::vector<std::string>{"a cat", "dog", "lynx"}));
  EXPECT_EQ(set.templates(), (std::vector<std::string>{"a photo of {c}.", "it is {c}, {c}"}));
  EXPECT_EQ(as_text(set.read(1).image), png(9, 20));
  EXPECT_EQ(set.captions(0), "");
  EXPECT_EQ(set.info().shards.size(), 2U);
}

TEST(ClipBenchmarkSet, ReadsSeveralCaptionsAPicture) {
  const test::TempFolder folder;
  write_text(folder / "in" / "dataset_type.txt", "retrieval\n");
  write_split(folder / "in" / "test", {{{"s0.jpg", png(8, 10)},
                                        {"s0.txt", "A cat.\nA  cat, here \r\na third"},
                                        {"s1.png", png(8, 11)},
                                        {"s1.txt", "one alone\n"}}});
  const PackedSet set = pack_split(folder / "in", "test", folder / "out");
  EXPECT_TRUE(set.info().label_names.empty());
  EXPECT_EQ(split_captions(set.captions(0)), (std::vector<std::string>{"A cat.", "A  cat, here ", "a third"}));
  EXPECT_EQ(split_captions(set.captions(1)), std::vector<std::string>{"one alone"});
  EXPECT_EQ(set.info().min_captions, 1U);
  EXPECT_EQ(set.info().max_captions, 3U);
}

TEST(ClipBenchmarkSet, LinesAreThoseOfPython) {
  using Lines = std::vector<std::string>;
  EXPECT_EQ(clip_benchmark::python_lines(""), Lines{});
  EXPECT_EQ(clip_benchmark::python_lines("a"), Lines{"a"});
  EXPECT_EQ(clip_benchmark::python_lines("a\r\nb\rc\n\nd\n"), (Lines{"a", "b", "c", "", "d"}));
  EXPECT_EQ(clip_benchmark::python_lines("a\x0b"
                                         "b\x1c"
                                         "c\xc2\x85"
                                         "d\xe2\x80\xa8"
                                         "e\xe2\x80\xa9"
                                         "f"),
            (Lines{"a", "b", "c", "d", "e", "f"}));
  EXPECT_EQ(clip_benchmark::python_lines("\xc3\x85ngstr\xc3\xb6m\x1f"), Lines{"\xc3\x85ngstr\xc3\xb6m\x1f"});
}

PackedSample two_captions(std::uint64_t i) {
  PackedSample sample = test::grey_sample(i);
  sample.captions += "\nagain " + std::to_string(i) + ", in other words";
  return sample;
}

TEST(ClipBenchmarkSet, ThereAndBack) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", 25, 10, "raw", two_captions);
  write_text(folder / "set" / "classnames.txt", "a\nb\nc\nd\ne\n");
  write_text(folder / "set" / "zeroshot_classification_templates.txt", "{c}\nletter {}\n");
  export_set(*set, {.folder = folder / "wds"});
  EXPECT_EQ(read_text_file(folder / "wds" / "test" / "nshards.txt"), "3\n");
  EXPECT_EQ(read_text_file(folder / "wds" / "zeroshot_classification_templates.txt"), "{c}\nletter {c}\n");
  const PackedSet back = pack_split(folder / "wds", "test", folder / "back");
  ASSERT_EQ(back.count(), set->count());
  EXPECT_EQ(back.info().shards.size(), 3U);
  EXPECT_EQ(back.all_labels("label"), set->all_labels("label"));
  EXPECT_EQ(back.classnames(), set->classnames());
  for (std::uint64_t i = 0; i < set->count(); ++i) {
    EXPECT_EQ(back.captions(i), set->captions(i));
    EXPECT_EQ(back.uid(i), set->uid(i));
    const Image image = decode_image(back.read(i).image);
    const RawSample raw = set->read(i);
    ASSERT_EQ(image.pixels.size(), 3 * raw.image.size());
    for (std::size_t at = 0; at < raw.image.size(); ++at) {
      ASSERT_EQ(image.pixels[3 * at], raw.image[at]);
      ASSERT_EQ(image.pixels[3 * at + 2], raw.image[at]);
    }
  }
  // What is encoded keeps its bytes; a second way there gives the same tar files.
  export_set(back, {.folder = folder / "wds2"});
  EXPECT_EQ(read_text_file(folder / "wds" / "test" / "1.tar"), read_text_file(folder / "wds2" / "test" / "1.tar"));
  // As captions, beside it.
  export_set(*set, {.folder = folder / "captions", .retrieval = true});
  const PackedSet captions = pack_split(folder / "captions", "test", folder / "captions_back");
  EXPECT_TRUE(captions.info().label_names.empty());
  EXPECT_EQ(captions.captions(24), set->captions(24));
}

TEST(ClipBenchmarkSet, WhatIsWrongIsNamed) {
  const test::TempFolder folder;
  const fs::path in = folder / "in", out = folder / "out";
  test::expect_error(ErrorKind::input, {"holds no split", "nshards.txt"}, [&] { clip_benchmark_splits(in); });
  write_classification(in);
  test::expect_error(ErrorKind::input, {"no split val", "it has test"}, [&] { open_clip_benchmark(in, "val"); });

  write_text(in / "test" / "nshards.txt", "0");
  test::expect_error(ErrorKind::input, {"0 tar files", "empty"}, [&] { open_clip_benchmark(in, "test"); });
  write_text(in / "test" / "nshards.txt", "two");
  test::expect_error(ErrorKind::input, {"nshards.txt", "\"two\""}, [&] { open_clip_benchmark(in, "test"); });
  write_text(in / "test" / "nshards.txt", "3");
  test::expect_error(ErrorKind::storage, {"2.tar", "is missing"}, [&] { open_clip_benchmark(in, "test"); });
  write_text(in / "test" / "nshards.txt", "2");

  write_text(in / "zeroshot_classification_templates.txt", "a photo\n");
  test::expect_error(ErrorKind::input, {"\"a photo\"", "no {c}"}, [&] { open_clip_benchmark(in, "test"); });
  write_text(in / "zeroshot_classification_templates.txt", "{c}\n");
  write_text(in / "classnames.txt", "cat\n\nlynx\n");
  test::expect_error(ErrorKind::input, {"classnames.txt", "line 2 is empty"}, [&] { open_clip_benchmark(in, "test"); });
  write_text(in / "classnames.txt", "cat\ndog\n");
  test::expect_error(ErrorKind::input, {"0.tar/s0000000", "class 2", "2 lines"},
                     [&] { pack_split(in, "test", folder / "a"); });

  const auto tar_with = [&](const std::vector<Entry>& entries) {
    fs::remove_all(in / "test");
    fs::remove_all(out);
    write_split(in / "test", {entries});
    pack_split(in, "test", out);
  };
  test::expect_error(ErrorKind::input, {"class -1"}, [&] { tar_with({{"a.png", png(8, 1)}, {"a.cls", "-1"}}); });
  test::expect_error(ErrorKind::storage, {"cls is not a number"}, [&] {
    tar_with({{"a.png", png(8, 1)}, {"a.cls", "cat"}});
  });
  test::expect_error(ErrorKind::storage, {"no cls"}, [&] { tar_with({{"a.png", png(8, 1)}}); });
  test::expect_error(ErrorKind::storage, {"a: no image"}, [&] { tar_with({{"a.cls", "1"}}); });
  test::expect_error(ErrorKind::storage, {"undecodable"}, [&] {
    tar_with({{"a.png", png(8, 1).substr(0, 50)}, {"a.cls", "1"}});
  });
  test::expect_error(ErrorKind::input, {"no sample to pack"}, [&] { tar_with({}); });
  const std::vector<Entry> good{{"a.png", png(8, 1)}, {"a.cls", "1"}};
  test::expect_error(ErrorKind::storage, {"0.tar", "a.png is there twice"}, [&] {
    tar_with({good[0], good[1], good[0], good[1]});
  });
  tar_with(good);
  fs::resize_file(in / "test/0.tar", fs::file_size(in / "test/0.tar") - 1024);  // the two blocks of zeros
  test::expect_error(ErrorKind::storage, {"0.tar", "has no end"}, [&] { pack_split(in, "test", folder / "cut"); });

  write_text(in / "dataset_type.txt", "retrieval");
  test::expect_error(ErrorKind::storage, {"no txt"}, [&] { tar_with({{"a.png", png(8, 1)}, {"a.cls", "1"}}); });
  test::expect_error(ErrorKind::storage, {"txt is empty"}, [&] { tar_with({{"a.png", png(8, 1)}, {"a.txt", ""}}); });
  write_text(in / "dataset_type.txt", "multilabel");
  test::expect_error(ErrorKind::input, {"multilabel"}, [&] { open_clip_benchmark(in, "test"); });
}

TEST(ClipBenchmarkSet, AFolderHoldsTheSplitsOfOneDataSet) {
  const test::TempFolder folder;
  const auto set = test::make_set(folder / "set", 5);
  write_text(folder / "set" / "classnames.txt", "a\nb\nc\nd\ne\n");
  write_text(folder / "set" / "zeroshot_classification_templates.txt", "{c}\n");
  export_set(*set, {.folder = folder / "wds"});
  export_set(*set, {.folder = folder / "wds", .split = "train"});
  test::expect_error(ErrorKind::input, {"test", "is there already"},
                     [&] { export_set(*set, {.folder = folder / "wds"}); });
  write_text(folder / "set" / "classnames.txt", "a\nb\nc\nd\nf\n");
  test::expect_error(ErrorKind::input, {"classnames.txt", "differs"},
                     [&] { export_set(*set, {.folder = folder / "wds", .split = "val"}); });
  write_text(folder / "set" / "classnames.txt", "a\nb\nc\n");
  test::expect_error(ErrorKind::input, {"label 3", "3 class names"},
                     [&] { export_set(*set, {.folder = folder / "other"}); });
}

}  // namespace
}  // namespace clip_hpc
