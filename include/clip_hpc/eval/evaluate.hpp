// Zero-shot classification and image-text retrieval on all ranks. Work is cut into blocks of fixed size (features.hpp),
// so every GEMM has the same shape, and every number is the same, for any number of ranks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/eval/features.hpp"
#include "clip_hpc/eval/zeroshot_task.hpp"

namespace clip_hpc {

struct TopNames {                     // what the model called one test image
  std::uint64_t index = 0;            // in the set
  std::int32_t truth = 0;             // of ZeroshotOutcome::truths
  std::vector<std::int64_t> classes;  // best first
  std::vector<double> scores;         // cosine similarity
};

struct ZeroshotOutcome {
  std::map<std::string, double> metrics;  // acc1, acc5, mean_per_class_recall: shares 0..1 (CLIP_benchmark's names)
  std::int64_t n = 0, classes = 0;        // samples that count, classes that compete
  std::int64_t left_out = 0;              // samples of the set that do not count
  double chance = 0;                      // accuracy of guessing
  bool finite = true;                     // every feature is a number
  std::vector<std::string> names;         // of the classes that compete
  std::vector<std::string> truths;        // names of what samples are
  std::vector<TopNames> pictures;         // on every rank
  struct OfClass {
    std::int64_t truth = 0, n = 0, right = 0;
    std::int64_t mistaken_for = -1, times = 0;  // the name that was wrongly given most often
  };
  std::vector<OfClass> by_class;  // that have samples; empty where a sample has several right classes
  struct Named {
    std::int64_t truth = 0, name = 0, times = 0;  // samples of `truth` whose best name was `name`
  };
  std::vector<Named> confusion;  // where it happened, in the order of truth and name; empty as by_class is
};

// class,n,right,recall,mistaken_for,times: a line for each class that has samples, worst recall first.
std::string per_class_csv(const ZeroshotOutcome& outcome);

// {"truths": [name, …], "names": [name, …], "counts": [[truth, name, times], …]}: the confusion matrix without its
// zeros.
Json confusion_json(const ZeroshotOutcome& outcome);

// Collective. Unit features of texts, which go round the ranks. [texts, embed_dim] fp32
at::Tensor text_features(const EvalContext& context, const std::vector<std::string>& texts);

// One unit feature a class, {c} or {} replaced by its name: mean of the unit features of its prompts, normalised again.
// [classes, embed_dim]
at::Tensor class_features(const EvalContext& context, const std::vector<std::string>& names,
                          const std::vector<std::string>& templates);

// `label`: "label" or "label_<name>". `pictures`: for how many test images, spread evenly, the best names are kept.
// Of equal scores the class that is named first wins.
ZeroshotOutcome evaluate_zeroshot(const EvalContext& context, const PackedSet& set, const std::string& label,
                                  std::int64_t pictures, const ZeroshotFiles& files = {});

struct RetrievalOutcome {
  std::map<std::string, double> metrics;  // image_retrieval_recall@k, text_retrieval_recall@k for k = 1, 5, 10
  std::int64_t images = 0, texts = 0;
  bool finite = true;  // every feature is a number
};
// A text query finds its image; an image query counts when any of its captions is among the k best. Places as
// places_of_own counts them.
RetrievalOutcome evaluate_retrieval(const EvalContext& context, const PackedSet& set, bool first_caption_only);

// Ids [n, context] with their lengths -> [n, longest of them] int64, cut at the longest where the model's pooling
// allows it: under a causal mask what follows the end token cannot change it. `multiple_of`: the cut is rounded up.
at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, const TextTower& tower,
                       std::int64_t multiple_of = 1);

// Captions to ids [n, longest of them] int64, cut at the end token where the model's pooling allows it.
at::Tensor token_ids(const Tokenizer& tokenizer, const TextTower& tower, const std::vector<std::string>& captions);

}  // namespace clip_hpc
