// Metrics against a computation of one sample at a time: features of single images and captions, places counted.
#include "clip_hpc/eval/evaluate.hpp"

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc {
namespace {

using Vector = std::vector<double>;

Vector unit(const at::Tensor& features) {
  const at::Tensor x = features.to(at::kDouble).flatten();
  const at::Tensor y = x / x.norm();
  return {y.const_data_ptr<double>(), y.const_data_ptr<double>() + y.numel()};
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class Evaluate : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new test::TempFolder;
    test::write_noise_set(*folder_ / "set");
  }
  static void TearDownTestSuite() { delete folder_; }

  Evaluate()
      : set_(*folder_ / "set"),
        tokenizer_(Tokenizer::load(*folder_ / "set" / kTokenizerFileName)),
        model_(config(), at::kFloat),
        comm_(make_self_communicator()),
        context_{*comm_, model_, tokenizer_} {
    model_.initialise("clip_hpc", 3);
  }

  ModelConfig config() const {
    ModelConfig config = parse_model_config(Json::parse(test::kTinyModel), "tiny");
    config.text["eos_id"] = tokenizer_.eos_id();
    return config;
  }

  std::vector<Vector> image_vectors() const {
    const at::NoGradGuard no_grad;
    const PixelNorm norm;
    std::vector<Vector> all;
    for (std::uint64_t i = 0; i < set_.count(); ++i) {
      const PackedSample sample = test::noise_sample(i);
      at::Tensor x = at::empty({1, 3, test::kSide, test::kSide}, at::kFloat);
      for (std::int64_t p = 0; p < test::kSide * test::kSide; ++p) {  // rows of interleaved pixels to planes
        for (std::int64_t c = 0; c < 3; ++c) {
          const auto at = static_cast<std::size_t>(c);
          x.data_ptr<float>()[c * test::kSide * test::kSide + p] = static_cast<float>(
              (sample.image[static_cast<std::size_t>(3 * p + c)] / 255.0 - norm.mean[at]) / norm.std[at]);
        }
      }
      all.push_back(unit(model_.encode_image(x)));
    }
    return all;
  }

  Vector text_vector(const std::string& caption) const {
    const at::NoGradGuard no_grad;
    const std::vector<std::int32_t> ids = tokenizer_.encode(caption, 12);  // with all its padding
    return unit(model_.encode_text(at::tensor(ids, at::kInt).to(at::kLong).unsqueeze(0)));
  }

  Vector class_vector(const std::string& name) const {
    Vector sum(16, 0.0);
    for (const std::string& prompt : {name, "a " + name + " house", name + " tree in a picture"}) {
      const Vector one = text_vector(prompt);
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += one[i];
    }
    const double length = std::sqrt(dot(sum, sum));
    for (double& x : sum) x /= length;
    return sum;
  }

  // Place of entry `truth` among the scores, best first, from 0. Equal scores would let rounding decide.
  static std::size_t place(const Vector& scores, std::size_t truth) {
    std::size_t better = 0;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (i == truth) continue;
      EXPECT_GT(std::abs(scores[i] - scores[truth]), 1e-6) << "this test set has a draw";
      better += scores[i] > scores[truth] ? 1 : 0;
    }
    return better;
  }

  static test::TempFolder* folder_;
  PackedSet set_;
  Tokenizer tokenizer_;
  ClipModel model_;
  std::unique_ptr<Communicator> comm_;
  EvalContext context_;
};
test::TempFolder* Evaluate::folder_ = nullptr;

TEST_F(Evaluate, ZeroshotEqualsPlacesCountedOneByOne) {
  std::vector<Vector> classes;
  for (const std::string& name : test::colours()) classes.push_back(class_vector(name));
  const std::vector<Vector> images = image_vectors();
  double top1 = 0, top5 = 0;
  std::map<std::size_t, std::pair<double, double>> by_class;  // right, all
  for (std::size_t i = 0; i < images.size(); ++i) {
    Vector scores;
    for (const Vector& one : classes) scores.push_back(dot(images[i], one));
    const std::size_t truth = i % 7, found = place(scores, truth);
    top1 += found == 0 ? 1 : 0;
    top5 += found < 5 ? 1 : 0;
    by_class[truth].first += found == 0 ? 1 : 0;
    by_class[truth].second += 1;
  }
  double recall = 0;
  for (const auto& [truth, counts] : by_class) recall += counts.first / counts.second / 7;  // the eighth has no picture

  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 0);
  const auto n = static_cast<double>(images.size());
  EXPECT_EQ(outcome.n, 150);
  EXPECT_EQ(outcome.classes, 8);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("acc1"), top1 / n);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("acc5"), top5 / n);
  EXPECT_NEAR(outcome.metrics.at("mean_per_class_recall"), recall, 1e-12);
  EXPECT_GT(top1, 0);
  EXPECT_GT(top5, top1);
  EXPECT_LT(top5, n);
  EXPECT_TRUE(outcome.pictures.empty());
}

TEST_F(Evaluate, ClassFeaturesAreMeansOfUnitFeaturesOfAllTemplates) {
  const at::Tensor features = class_features(context_, test::colours(), set_.templates());
  ASSERT_EQ(features.sizes(), (std::vector<std::int64_t>{8, 16}));
  for (std::int64_t c = 0; c < 8; ++c) {
    const Vector expected = class_vector(test::colours()[static_cast<std::size_t>(c)]);
    for (std::int64_t i = 0; i < 16; ++i) {
      EXPECT_NEAR(features[c][i].item<double>(), expected[static_cast<std::size_t>(i)], 2e-6);
    }
  }
}

TEST_F(Evaluate, FewerThanFiveClassesHaveNoTopFive) {
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label_size", 4);
  EXPECT_EQ(outcome.classes, 3);
  EXPECT_EQ(outcome.metrics.count("acc5"), 0U);
  EXPECT_EQ(outcome.metrics.count("acc1"), 1U);
  ASSERT_EQ(outcome.pictures.size(), 4U);
  for (const TopNames& top : outcome.pictures) EXPECT_EQ(top.classes.size(), 3U);
}

TEST_F(Evaluate, ASubsetIsComparedWithItselfAlone) {
  test::write_lines(*folder_ / "some.txt", {"blue", "red", "brown"});
  std::vector<Vector> classes;
  for (const char* name : {"blue", "red", "brown"}) classes.push_back(class_vector(name));
  const std::vector<Vector> images = image_vectors();
  std::map<std::size_t, std::pair<std::int64_t, std::int64_t>> by_class;  // of the set: right, all
  double top1 = 0, n = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (i % 7 != 0 && i % 7 != 2) continue;
    Vector scores;
    for (const Vector& one : classes) scores.push_back(dot(images[i], one));
    const bool right = place(scores, i % 7 == 2 ? 0 : 1) == 0;
    top1 += right ? 1 : 0;
    n += 1;
    by_class[i % 7].first += right ? 1 : 0;
    by_class[i % 7].second += 1;
  }
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 1000, {.classes = *folder_ / "some.txt"});
  EXPECT_EQ(outcome.n, 44);
  EXPECT_EQ(outcome.left_out, 106);
  EXPECT_EQ(outcome.classes, 3);
  EXPECT_DOUBLE_EQ(outcome.chance, 1.0 / 3);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("acc1"), top1 / n);
  EXPECT_GT(top1, 0);
  EXPECT_LT(top1, n);
  EXPECT_EQ(outcome.metrics.count("acc5"), 0U);
  ASSERT_EQ(outcome.by_class.size(), 2U);
  for (const auto& one : outcome.by_class) {
    const auto& [right, all] = by_class.at(static_cast<std::size_t>(one.truth));
    EXPECT_EQ(one.n, all);
    EXPECT_EQ(one.right, right);
    EXPECT_EQ(one.mistaken_for >= 0, right < all);
    EXPECT_LE(one.times, all - right);
  }
  ASSERT_EQ(outcome.pictures.size(), 44U);
  for (const TopNames& top : outcome.pictures) EXPECT_EQ(top.truth, static_cast<std::int32_t>(top.index % 7));
}

// Right is whatever a sample's list holds: with all classes right, all is right; with the lists of one class each it is
// plain zero-shot.
TEST_F(Evaluate, AnyOfTheRightClassesCounts) {
  const ZeroshotOutcome plain = evaluate_zeroshot(context_, set_, "label", 0);
  const auto with = [&](const std::function<std::string(std::uint64_t)>& list) {
    std::string text;
    for (std::uint64_t i = 0; i < set_.count(); ++i) text += (i == 0 ? "[" : ", ") + list(i);
    write_file_atomic(*folder_ / "right.json", text + "]");
    return evaluate_zeroshot(context_, set_, "label", 0, {.multilabel = *folder_ / "right.json"});
  };
  const ZeroshotOutcome same = with([](std::uint64_t i) { return fmt::format("[{}]", i % 7); });
  EXPECT_DOUBLE_EQ(same.metrics.at("acc1"), plain.metrics.at("acc1"));
  EXPECT_DOUBLE_EQ(same.metrics.at("acc5"), plain.metrics.at("acc5"));
  EXPECT_EQ(same.metrics.count("mean_per_class_recall"), 0U);
  const ZeroshotOutcome all = with([](std::uint64_t i) { return i < 10 ? "[]" : "[0, 1, 2, 3, 4, 5, 6, 7]"; });
  EXPECT_EQ(all.n, 140);
  EXPECT_EQ(all.left_out, 10);
  EXPECT_DOUBLE_EQ(all.metrics.at("acc1"), 1);
  EXPECT_DOUBLE_EQ(all.chance, 1);
  // two right classes: as often right as either of them is called
  const auto share = [&](const std::string& list) {
    return with([&](std::uint64_t) { return list; }).metrics.at("acc1");
  };
  double sum = 0;
  for (int c = 0; c < 8; ++c) sum += share(fmt::format("[{}]", c));
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_NEAR(share("[1, 4]"), share("[1]") + share("[4]"), 1e-12);
}

TEST_F(Evaluate, RecallOfEachClassAsCsv) {
  ZeroshotOutcome outcome;
  outcome.truths = {"a", "b, c", "d"};
  outcome.names = {"a", "the \"b\"", "d"};
  outcome.by_class = {{0, 4, 3, 1, 1}, {1, 2, 0, 2, 2}, {2, 1, 1, -1, 0}};
  EXPECT_EQ(per_class_csv(outcome),
            "class,n,right,recall,mistaken_for,times\n"
            "\"b, c\",2,0,0.0000,d,2\na,4,3,0.7500,\"the \"\"b\"\"\",1\nd,1,1,1.0000,,0\n");
}

TEST_F(Evaluate, TemplatesAndNamesOfFiles) {
  test::write_lines(*folder_ / "forms.txt", {"A {} House."});
  const ZeroshotFiles files{.templates = *folder_ / "forms.txt", .canonicalise = true};
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 3, files);
  const std::vector<Vector> images = image_vectors();
  ASSERT_EQ(outcome.pictures.size(), 3U);
  for (const TopNames& top : outcome.pictures) {
    const std::string name = test::colours()[static_cast<std::size_t>(top.classes[0])];
    EXPECT_NEAR(top.scores[0], dot(images[top.index], text_vector("a " + name + " house")), 2e-6);
  }
}

TEST_F(Evaluate, PicturesAreSpreadOverTheSetWithTheirBestNamesFirst) {
  const ZeroshotOutcome outcome = evaluate_zeroshot(context_, set_, "label", 5);
  ASSERT_EQ(outcome.pictures.size(), 5U);
  const std::vector<Vector> images = image_vectors();
  for (std::size_t i = 0; i < 5; ++i) {
    const TopNames& top = outcome.pictures[i];
    EXPECT_EQ(top.index, 30 * i);
    EXPECT_EQ(top.truth, static_cast<std::int32_t>(top.index % 7));
    ASSERT_EQ(top.classes.size(), 3U);
    EXPECT_GE(top.scores[0], top.scores[1]);
    for (std::size_t k = 0; k < 3; ++k) {
      const Vector name = class_vector(test::colours()[static_cast<std::size_t>(top.classes[k])]);
      EXPECT_NEAR(top.scores[k], dot(images[top.index], name), 2e-6);
    }
  }
  EXPECT_EQ(evaluate_zeroshot(context_, set_, "label", 1000).pictures.size(), 150U);
}

// An image query counts when any of its captions is among the best; a text query when its image is.
TEST_F(Evaluate, RetrievalEqualsPlacesCountedOneByOne) {
  const std::vector<Vector> images = image_vectors();
  for (const bool first_only : {false, true}) {
    std::vector<Vector> texts;
    std::vector<std::size_t> owner;
    for (std::size_t i = 0; i < images.size(); ++i) {
      std::vector<std::string> captions = split_captions(test::noise_sample(i).captions);
      if (first_only) captions.resize(1);
      for (const std::string& caption : captions) {
        texts.push_back(text_vector(caption));
        owner.push_back(i);
      }
    }
    std::map<std::string, double> expected;
    std::vector<std::size_t> best_caption(images.size(), texts.size());  // place of an image's best caption
    for (std::size_t t = 0; t < texts.size(); ++t) {
      Vector to_images, to_texts;
      for (const Vector& image : images) to_images.push_back(dot(texts[t], image));
      for (const Vector& text : texts) to_texts.push_back(dot(images[owner[t]], text));
      best_caption[owner[t]] = std::min(best_caption[owner[t]], place(to_texts, t));
      for (const std::size_t k : {1, 5, 10}) {
        expected[fmt::format("image_retrieval_recall@{}", k)] +=
            place(to_images, owner[t]) < k ? 1.0 / static_cast<double>(texts.size()) : 0;
      }
    }
    for (const std::size_t found : best_caption) {
      for (const std::size_t k : {1, 5, 10}) {
        expected[fmt::format("text_retrieval_recall@{}", k)] +=
            found < k ? 1.0 / static_cast<double>(images.size()) : 0;
      }
    }
    const RetrievalOutcome outcome = evaluate_retrieval(context_, set_, first_only);
    EXPECT_EQ(outcome.images, 150);
    EXPECT_EQ(outcome.texts, first_only ? 150 : 300);
    ASSERT_EQ(outcome.metrics.size(), expected.size());
    for (const auto& [name, value] : expected) EXPECT_NEAR(outcome.metrics.at(name), value, 1e-12) << name;
    EXPECT_GT(outcome.metrics.at("text_retrieval_recall@10"), 0);
  }
}

TEST_F(Evaluate, ASetSmallerThanTenStillHasAllRecalls) {
  const test::TempFolder folder;
  test::write_noise_set(folder / "small", 3);
  const PackedSet small(folder / "small");
  const RetrievalOutcome outcome = evaluate_retrieval(context_, small, true);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("image_retrieval_recall@5"), 1.0);
  EXPECT_DOUBLE_EQ(outcome.metrics.at("text_retrieval_recall@10"), 1.0);
}

TEST_F(Evaluate, IdsAreCutAtTheLongestCaptionWhereThePoolingAllows) {
  ModelConfig changed = config();
  const auto ids = [&](const std::vector<std::string>& captions) {
    return token_ids(tokenizer_, ClipModel(changed).text(), captions);
  };
  const std::vector<std::string> captions{"red", "green house tree"};
  const at::Tensor cut = ids(captions);
  EXPECT_LT(cut.size(1), 12);
  EXPECT_EQ(cut[1][cut.size(1) - 1].item<int>(), tokenizer_.eos_id());
  changed.text["pool_type"] = "last";
  EXPECT_EQ(ids(captions).size(1), 12);
  changed.text["pool_type"] = "eos";
  changed.text["no_causal_mask"] = true;
  EXPECT_EQ(ids(captions).size(1), 12);
}

TEST_F(Evaluate, UnfitClassNamesAndTemplatesAreBadInput) {
  const test::TempFolder folder;
  test::write_noise_set(folder / "set", 10);
  const PackedSet set(folder / "set");
  test::write_lines(folder / "set/classnames.txt", {"red", "green"});
  test::expect_error(ErrorKind::input, {"set", "outside the 2 class names"},
                     [&] { evaluate_zeroshot(context_, set, "label", 0); });
  test::write_lines(folder / "set/classnames.txt", test::colours());
  test::write_lines(folder / "set/zeroshot_classification_templates.txt", {"a picture"});
  test::expect_error(ErrorKind::input, {"a picture", "{c} or {}"},
                     [&] { evaluate_zeroshot(context_, set, "label", 0); });
}

}  // namespace
}  // namespace clip_hpc
