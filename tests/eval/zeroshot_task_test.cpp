// The noise set has 150 samples: label i % 7 of eight colours, the last of which never occurs.
#include "clip_hpc/eval/zeroshot_task.hpp"

#include <gtest/gtest.h>

#include "clip_hpc/base/json.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

using Classes = std::vector<std::int64_t>;

class Zeroshot : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    test::write_noise_set(*folder_ / "set");
  }
  static void TearDownTestSuite() { delete folder_; }
  Zeroshot() : set_(*folder_ / "set") {}

  static std::filesystem::path lines(const std::vector<std::string>& all) {
    test::write_lines(*folder_ / "lines.txt", all);
    return *folder_ / "lines.txt";
  }
  static std::filesystem::path json(const std::string& text) {
    write_file_atomic(*folder_ / "some.json", text);
    return *folder_ / "some.json";
  }
  ZeroshotTask task(const ZeroshotFiles& files) const { return zeroshot_task(set_, "label", files); }
  void refuses(const ZeroshotFiles& files, const std::vector<std::string>& words) const {
    test::expect_error(ErrorKind::input, words, [&] { task(files); });
  }
  static test::TempFolder* folder_;
  PackedSet set_;
};
test::TempFolder* Zeroshot::folder_ = nullptr;

TEST_F(Zeroshot, WithoutFilesAllIsAsTheSetHasIt) {
  const ZeroshotTask all = task({});
  EXPECT_EQ(all.names, test::colours());
  EXPECT_EQ(all.truths, test::colours());
  EXPECT_EQ(all.templates, (std::vector<std::string>{"{c}", "a {c} house", "{c} tree in a picture"}));
  ASSERT_EQ(all.samples.size(), 150U);
  EXPECT_EQ(all.samples[149], 149);
  EXPECT_EQ(all.right[149], Classes{149 % 7});
  EXPECT_EQ(all.truth[149], 149 % 7);
  EXPECT_TRUE(all.has_classes);
}

TEST_F(Zeroshot, BothPlaceholdersAreFilledWhereverTheyStand) {
  EXPECT_EQ(fill_template("a {c}.", "cat"), "a cat.");
  EXPECT_EQ(fill_template("a {}, a {}", "cat"), "a cat, a cat");
  EXPECT_EQ(fill_template("{c} in {}", "cat"), "cat in {}");
  EXPECT_EQ(fill_template("{c}{c}", "{c}"), "{c}{c}");
  test::expect_error(ErrorKind::input, {"a picture", "{c} or {}"}, [] { fill_template("a picture", "cat"); });
  EXPECT_EQ(task({.templates = lines({"one {}", "two {c}"})}).templates,
            (std::vector<std::string>{"one {}", "two {c}"}));
  refuses({.templates = lines({"a {}", "a picture"})}, {"template \"a picture\"", "{c} or {}"});
}

// What big_vision's _canonicalize gives for these.
TEST_F(Zeroshot, CanonicalAsBigVision) {
  EXPECT_EQ(canonical("A photo_of  the HARD-to-see {}.", "{}"), "a photo of the hardtosee {}");
  EXPECT_EQ(canonical("{c}: a {c}!", "{c}"), "{c} a {c}");
  EXPECT_EQ(canonical("St. Bernard, dog", ","), "st bernard, dog");
  EXPECT_EQ(canonical("jack-o'-lantern"), "jackolantern");
  EXPECT_EQ(canonical("\t a - b _"), "a b");
  EXPECT_EQ(canonical("a{}b"), "ab");
  EXPECT_EQ(canonical("..."), "");
  EXPECT_EQ(canonical("caf\xc3\xa9"), "caf\xc3\xa9");
  const ZeroshotTask plain = task({.templates = lines({"A {} (House)."}), .canonicalise = true});
  EXPECT_EQ(plain.templates, std::vector<std::string>{"a {} house"});
}

TEST_F(Zeroshot, ASubsetCompetesAloneAndLeavesOthersOut) {
  const ZeroshotTask some = task({.classes = lines({"blue", "0", "brown"})});
  EXPECT_EQ(some.names, (std::vector<std::string>{"blue", "red", "brown"}));  // in the order of the file
  ASSERT_EQ(some.samples.size(), 22U + 22U);                                  // i % 7 is 0 or 2, i < 150
  EXPECT_EQ(some.samples[0], 0);
  EXPECT_EQ(some.right[0], Classes{1});
  EXPECT_EQ(some.samples[1], 2);
  EXPECT_EQ(some.right[1], Classes{0});
  EXPECT_EQ(some.truths[static_cast<std::size_t>(some.truth[1])], "blue");
}

TEST_F(Zeroshot, NamesOfAFileTakeThePlaceOfTheSets) {
  const std::vector<std::string> names{"rot", "gruen", "blau", "weiss", "schwarz", "rosa", "grau", "braun"};
  EXPECT_EQ(task({.classnames = lines(names)}).names, names);
  refuses({.classnames = lines({"rot", "gruen"})}, {"has 2 names", "has 8", "eval.label_map"});
}

TEST_F(Zeroshot, ALabelMapSaysWhatCounts) {
  const auto names = *folder_ / "names.txt";
  test::write_lines(names, {"warm", "cold", "none"});
  const ZeroshotTask mapped = task(
      {.classnames = names, .label_map = json(R"({"red": ["warm"], "2": [1, "none", 1], "pink": [0], "grey": []})")});
  EXPECT_EQ(mapped.names, (std::vector<std::string>{"warm", "cold", "none"}));
  EXPECT_EQ(mapped.truths, test::colours());
  ASSERT_EQ(mapped.samples.size(), 22U + 22U + 21U);  // i % 7 is 0, 2 or 5
  EXPECT_EQ(mapped.right[0], Classes{0});
  EXPECT_EQ(mapped.right[1], (Classes{1, 2}));
  EXPECT_EQ(mapped.truth[1], 2);
  EXPECT_EQ(mapped.samples[2], 5);

  test::write_lines(*folder_ / "two.txt", {"none", "warm"});  // what does not compete does not count
  const ZeroshotTask fewer = task({.classnames = names,
                                   .classes = *folder_ / "two.txt",
                                   .label_map = json(R"({"red": ["warm"], "blue": [1, 2], "pink": ["cold"]})")});
  ASSERT_EQ(fewer.samples.size(), 22U + 22U);
  EXPECT_EQ(fewer.right[0], Classes{1});
  EXPECT_EQ(fewer.right[1], Classes{0});

  refuses({.classnames = names, .label_map = json(R"({"mauve": [0]})")}, {"no class is called \"mauve\""});
  refuses({.classnames = names, .label_map = json(R"({"red": [3]})")}, {"\"red\"", "class 3 is outside the 3"});
  refuses({.classnames = names, .label_map = json(R"({"red": ["hot"]})")}, {"no class is called \"hot\""});
  refuses({.classnames = names, .label_map = json(R"({"red": 1})")}, {"a list of classes is wanted"});
  refuses({.classnames = names, .label_map = json(R"({"red": [1.5]})")}, {"1.5 is no class"});
  refuses({.classnames = names, .label_map = json("[]")}, {"an object is wanted"});
  refuses({.classnames = names, .label_map = json("{")}, {"eval.label_map", "not valid JSON"});
  refuses({.classnames = names, .label_map = json(R"({"brown": [0]})")}, {"no sample is left"});
  refuses({.label_map = json("{}"), .multilabel = json("[]")}, {"give one of them"});
}

TEST_F(Zeroshot, SeveralRightClassesASample) {
  std::string text = "[[], [3, 1], [\"brown\"]";
  for (int i = 3; i < 150; ++i) text += i % 2 == 0 ? ", [0]" : ", []";
  const ZeroshotTask real = task({.multilabel = json(text + "]")});
  ASSERT_EQ(real.samples.size(), 2U + 73U);
  EXPECT_EQ(real.samples[0], 1);
  EXPECT_EQ(real.right[0], (Classes{1, 3}));
  EXPECT_EQ(real.right[1], Classes{7});
  EXPECT_FALSE(real.has_classes);
  refuses({.multilabel = json("[[1], [2]]")}, {"has 150 samples", "as many lists"});
  std::string outside = "[[8]";
  for (int i = 1; i < 150; ++i) outside += ",[]";
  refuses({.multilabel = json(outside + "]")}, {"sample 0", "class 8 is outside the 8"});
  outside.replace(1, 3, "[]");
  refuses({.multilabel = json(outside + "]")}, {"no sample is left"});
}

TEST_F(Zeroshot, UnfitSubsetsAreBadInput) {
  refuses({.classes = lines({"mauve"})}, {"eval.classes", "no class is called \"mauve\""});
  refuses({.classes = lines({"8"})}, {"class 8 is outside the 8 class names: numbers go from 0 to 7"});
  refuses({.classes = lines({"red", "0"})}, {"\"0\" is there twice"});
  refuses({.classes = lines({"brown"})}, {"no sample is left"});
  refuses({.classes = lines({""})}, {"is empty"});
  refuses({.classes = *folder_ / "absent.txt"}, {"eval.classes", "there is no such file"});
  test::write_lines(*folder_ / "twins.txt", {"a", "b", "a", "d", "e", "f", "g", "h"});
  refuses({.classnames = *folder_ / "twins.txt", .classes = lines({"a"})}, {"2 classes are called \"a\"", "0 or 2"});
  EXPECT_EQ(task({.classnames = *folder_ / "twins.txt", .classes = lines({"2", "b"})}).names,
            (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace clip_hpc
