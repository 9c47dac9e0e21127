// Zero-shot classification and image-text retrieval on all ranks. Work is cut into blocks of fixed size (features.hpp),
// so every GEMM has the same shape, and every number is the same, for any number of ranks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {

struct TopNames {           // what the model called one test image
  std::uint64_t index = 0;  // in the set
  std::int32_t truth = 0;
  std::vector<std::int64_t> classes;  // best first
  std::vector<double> scores;         // cosine similarity
};

struct ZeroshotOutcome {
  std::map<std::string, double> metrics;  // acc1, acc5, mean_per_class_recall: shares 0..1 (CLIP_benchmark's names)
  std::int64_t n = 0, classes = 0;
  std::vector<TopNames> pictures;  // on every rank
};

// One unit feature a class: mean of the unit features of its prompts, normalised again. [classes, embed_dim]
at::Tensor class_features(const EvalContext& context, const std::vector<std::string>& names,
                          const std::vector<std::string>& templates);

// `label`: "label" or "label_<name>". `pictures`: for how many test images, spread evenly, the best names are kept.
ZeroshotOutcome evaluate_zeroshot(const EvalContext& context, const PackedSet& set, const std::string& label,
                                  std::int64_t pictures);

struct RetrievalOutcome {
  std::map<std::string, double> metrics;  // image_retrieval_recall@k, text_retrieval_recall@k for k = 1, 5, 10
  std::int64_t images = 0, texts = 0;
};
// A text query finds its image; an image query counts when any of its captions is among the k best.
RetrievalOutcome evaluate_retrieval(const EvalContext& context, const PackedSet& set, bool first_caption_only);

// Ids [n, context] with their lengths -> [n, longest of them] int64, cut at the longest where the model's pooling
// allows it: under a causal mask what follows the end token cannot change it. `multiple_of`: the cut is rounded up.
at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths,
                       const TextConfig& config, std::int64_t multiple_of = 1);

// Captions to ids [n, longest of them] int64, cut at the end token where the model's pooling allows it.
at::Tensor token_ids(const SentencePieceTokenizer& tokenizer, const TextConfig& config,
                     const std::vector<std::string>& captions);

}  // namespace clip_hpc
