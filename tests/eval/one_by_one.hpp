// Features of single images and captions, and places counted, for metrics to be compared with.
#pragma once

#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "clip_hpc/eval/features.hpp"
#include "tests/eval/eval_fixtures.hpp"

namespace clip_hpc::test {

using Vector = std::vector<double>;

inline Vector unit(const at::Tensor& features) {
  const at::Tensor x = features.to(at::kDouble).flatten();
  const at::Tensor y = x / x.norm();
  return {y.const_data_ptr<double>(), y.const_data_ptr<double>() + y.numel()};
}

inline double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

class OneByOne : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TempFolder;
    write_noise_set(*folder_ / "set");
  }
  static void TearDownTestSuite() { delete folder_; }

  OneByOne()
      : set_(*folder_ / "set"),
        tokenizer_(Tokenizer::load(*folder_ / "set" / kTokenizerFileName)),
        model_(config(), at::kFloat),
        comm_(make_self_communicator()),
        context_{*comm_, model_, tokenizer_} {
    model_.initialise("clip_hpc", 3);
  }

  ModelConfig config() const {
    ModelConfig config = parse_model_config(Json::parse(kTinyModel), "tiny");
    config.text["eos_id"] = tokenizer_.eos_id();
    return config;
  }

  std::vector<Vector> image_vectors() const {
    const at::NoGradGuard no_grad;
    const PixelNorm norm;
    std::vector<Vector> all;
    for (std::uint64_t i = 0; i < set_.count(); ++i) {
      const PackedSample sample = noise_sample(i);
      at::Tensor x = at::empty({1, 3, kSide, kSide}, at::kFloat);
      for (std::int64_t p = 0; p < kSide * kSide; ++p) {  // rows of interleaved pixels to planes
        for (std::int64_t c = 0; c < 3; ++c) {
          const auto at = static_cast<std::size_t>(c);
          x.data_ptr<float>()[c * kSide * kSide + p] = static_cast<float>(
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

  static inline TempFolder* folder_ = nullptr;
  PackedSet set_;
  Tokenizer tokenizer_;
  ClipModel model_;
  std::unique_ptr<Communicator> comm_;
  EvalContext context_;
};

}  // namespace clip_hpc::test
