#include "clip_hpc/eval/evaluate.hpp"

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/eval/metrics.hpp"

namespace clip_hpc {
namespace {

at::Tensor text_features(const EvalContext& context, const std::vector<std::string>& texts) {
  return encode_blocks(context.comm, static_cast<std::int64_t>(texts.size()), context.model.config().embed_dim,
                       [&](std::int64_t begin, std::int64_t end) {
                         const std::vector<std::string> part(texts.begin() + begin, texts.begin() + end);
                         const at::Tensor ids = token_ids(context.tokenizer, context.model.config().text, part);
                         return normalise_features(context.model.encode_text(ids.to(context.model.device())));
                       });
}

std::string fill(const std::string& form, const std::string& name) {
  const auto at = form.find("{c}");
  if (at == std::string::npos) throw input_error("template \"{}\" has no {{c}} for the class name", form);
  return form.substr(0, at) + name + form.substr(at + 3);
}

}  // namespace

at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths,
                       const TextConfig& config, std::int64_t multiple_of) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const at::Tensor all = at::empty({rows, config.context_length}, at::kLong);
  std::copy(ids.begin(), ids.end(), all.data_ptr<std::int64_t>());
  if (config.no_causal_mask || config.pool_type == "last" || lengths.empty()) return all;
  const std::int64_t longest = std::max(1, *std::max_element(lengths.begin(), lengths.end()));
  return all.slice(1, 0, (longest + multiple_of - 1) / multiple_of * multiple_of)
      .contiguous();  // slice ends at context
}

at::Tensor token_ids(const SentencePieceTokenizer& tokenizer, const TextConfig& config,
                     const std::vector<std::string>& captions) {
  const TokenBatch batch = tokenizer.encode_batch(captions, static_cast<int>(config.context_length));
  return trimmed_ids(batch.ids, batch.lengths, config);
}

at::Tensor class_features(const EvalContext& context, const std::vector<std::string>& names,
                          const std::vector<std::string>& templates) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> prompts;
  for (const std::string& name : names) {
    for (const std::string& form : templates) prompts.push_back(fill(form, name));
  }
  const at::Tensor all = text_features(context, prompts);  // [classes * templates, embed_dim]
  const auto classes = static_cast<std::int64_t>(names.size());
  return normalise_features(all.view({classes, -1, all.size(1)}).mean(1));
}

ZeroshotOutcome evaluate_zeroshot(const EvalContext& context, const PackedSet& set, const std::string& label,
                                  std::int64_t pictures) {
  const at::NoGradGuard no_grad;
  const std::vector<std::string> names = set.classnames(label);
  std::vector<std::string> templates = set.templates();
  if (templates.empty()) templates = {"{c}"};
  const std::vector<std::int32_t> truth = set.all_labels(label);
  const auto classes = static_cast<std::int64_t>(names.size());
  for (const std::int32_t one : truth) {
    if (one < 0 || one >= classes) {
      throw input_error("{}: label {} is outside the {} class names", set.folder().native(), one, classes);
    }
  }
  const at::Tensor prototypes = class_features(context, names, templates);
  const at::Tensor features = image_features(context, set, FeatureKind::projected);
  const std::int64_t best = std::min<std::int64_t>(5, classes);

  ZeroshotOutcome outcome;
  outcome.n = static_cast<std::int64_t>(set.count());
  outcome.classes = classes;
  ClassTally tally(classes);
  const std::int64_t every = pictures > 0 ? std::max<std::int64_t>(1, outcome.n / pictures) : outcome.n + 1;
  for (std::int64_t begin = 0; begin < outcome.n; begin += kEvalBlock) {  // the scores of one block at a time
    const at::Tensor scores = at::matmul(features.slice(0, begin, begin + kEvalBlock), prototypes.t());
    const auto [values, indices] = scores.topk(best, 1);
    for (std::int64_t i = 0; i < scores.size(0); ++i) {
      const std::int64_t index = begin + i;
      const std::int64_t expected = truth[static_cast<std::size_t>(index)];
      const std::int64_t* order = indices[i].const_data_ptr<std::int64_t>();
      const auto place = std::find(order, order + best, expected) - order;
      tally.add(expected, place < best ? place : classes);
      if (index % every != 0 || static_cast<std::int64_t>(outcome.pictures.size()) >= pictures) continue;
      TopNames top{static_cast<std::uint64_t>(index), static_cast<std::int32_t>(expected), {}, {}};
      for (std::int64_t k = 0; k < std::min<std::int64_t>(3, best); ++k) {
        top.classes.push_back(order[k]);
        top.scores.push_back(static_cast<double>(values[i].const_data_ptr<float>()[k]));
      }
      outcome.pictures.push_back(top);
    }
  }
  outcome.metrics = tally.metrics();
  return outcome;
}

RetrievalOutcome evaluate_retrieval(const EvalContext& context, const PackedSet& set, bool first_caption_only) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> texts;
  std::vector<std::int64_t> image_of;
  const auto images = static_cast<std::int64_t>(set.count());
  for (std::int64_t i = 0; i < images; ++i) {
    std::vector<std::string> captions = split_captions(set.captions(static_cast<std::uint64_t>(i)));
    if (first_caption_only) captions.resize(std::min<std::size_t>(1, captions.size()));
    for (std::string& caption : captions) {
      texts.push_back(std::move(caption));
      image_of.push_back(i);
    }
  }
  const auto n_texts = static_cast<std::int64_t>(texts.size());
  const at::Tensor image = image_features(context, set, FeatureKind::projected);
  const at::Tensor text = text_features(context, texts);
  const at::Tensor owner = at::tensor(image_of, at::kLong);

  // hits[direction][k]; each rank counts the queries of its blocks against everything, k best at a time.
  const std::array<std::int64_t, 3> ks{1, 5, 10};
  at::Tensor hits = at::zeros({2, 3}, at::kLong);
  const auto count = [&](const at::Tensor& queries, const at::Tensor& gallery, const at::Tensor& query_owner,
                         const at::Tensor& gallery_owner, std::int64_t direction) {
    for (std::int64_t block = context.comm.rank(); block * kEvalBlock < queries.size(0); block += context.comm.size()) {
      const std::int64_t begin = block * kEvalBlock;
      const at::Tensor scores = at::matmul(queries.slice(0, begin, begin + kEvalBlock), gallery.t());
      const std::int64_t depth = std::min<std::int64_t>(10, gallery.size(0));
      const at::Tensor best = std::get<1>(scores.topk(depth, 1));  // [block, depth]
      const at::Tensor match = gallery_owner.index_select(0, best.flatten()).view_as(best) ==
                               query_owner.slice(0, begin, begin + kEvalBlock).unsqueeze(1);
      for (std::size_t k = 0; k < ks.size(); ++k) {
        hits[direction][static_cast<std::int64_t>(k)] += match.slice(1, 0, ks[k]).any(1).sum();
      }
    }
  };
  const at::Tensor self = at::arange(images, at::kLong);
  count(text, image, owner, self, 0);
  count(image, text, self, owner, 1);
  context.comm.all_reduce(hits, ReduceOp::sum);

  RetrievalOutcome outcome;
  outcome.images = images;
  outcome.texts = n_texts;
  for (std::size_t k = 0; k < ks.size(); ++k) {
    const auto at_k = static_cast<std::int64_t>(k);
    outcome.metrics[fmt::format("image_retrieval_recall@{}", ks[k])] =
        static_cast<double>(hits[0][at_k].item<std::int64_t>()) / static_cast<double>(n_texts);
    outcome.metrics[fmt::format("text_retrieval_recall@{}", ks[k])] =
        static_cast<double>(hits[1][at_k].item<std::int64_t>()) / static_cast<double>(images);
  }
  return outcome;
}

}  // namespace clip_hpc
