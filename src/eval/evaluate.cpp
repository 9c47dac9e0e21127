#include "clip_hpc/eval/evaluate.hpp"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/eval/classification_metrics.hpp"
#include "clip_hpc/eval/ranking.hpp"

namespace clip_hpc {
namespace {

// Of the scores of one sample [classes]: the place of the best right class, best first, from 0.
std::int64_t place_of(std::span<const float> scores, const std::vector<std::int64_t>& right) {
  std::int64_t best = right.front();
  for (const std::int64_t c : right) {
    if (scores[static_cast<std::size_t>(c)] > scores[static_cast<std::size_t>(best)]) best = c;
  }
  const float own = scores[static_cast<std::size_t>(best)];
  const auto n = static_cast<std::int64_t>(scores.size());
  std::int64_t beaten = 0;  // itself among them; a score that is not a number beats none
  for (std::int64_t c = 0; c < n; ++c) {
    const float other = scores[static_cast<std::size_t>(c)];
    beaten += own > other || (own == other && c >= best) ? 1 : 0;
  }
  return n - beaten;
}

bool all_finite(const at::Tensor& features) { return features.isfinite().all().item<bool>(); }

}  // namespace

at::Tensor trimmed_ids(std::span<const std::int32_t> ids, std::span<const std::int32_t> lengths, const TextTower& tower,
                       std::int64_t multiple_of) {
  const auto rows = static_cast<std::int64_t>(lengths.size());
  const at::Tensor all = at::empty({rows, tower.context()}, at::kLong);
  std::copy(ids.begin(), ids.end(), all.data_ptr<std::int64_t>());
  if (!tower.can_pack() || lengths.empty()) return all;
  const std::int64_t longest = std::max(1, *std::max_element(lengths.begin(), lengths.end()));
  return all.slice(1, 0, (longest + multiple_of - 1) / multiple_of * multiple_of)
      .contiguous();  // slice ends at context
}

at::Tensor token_ids(const Tokenizer& tokenizer, const TextTower& tower, const std::vector<std::string>& captions) {
  const TokenBatch batch = tokenizer.encode_batch(captions, static_cast<int>(tower.context()));
  return trimmed_ids(batch.ids, batch.lengths, tower);
}

at::Tensor text_features(const EvalContext& context, const std::vector<std::string>& texts) {
  return encode_blocks(context.comm, static_cast<std::int64_t>(texts.size()), context.model.config().embed_dim,
                       [&](std::int64_t begin, std::int64_t end) {
                         const std::vector<std::string> part(texts.begin() + begin, texts.begin() + end);
                         const at::Tensor ids = token_ids(context.tokenizer, context.model.text(), part);
                         return normalise_features(context.model.encode_text(ids.to(context.model.device())));
                       });
}

at::Tensor class_features(const EvalContext& context, const std::vector<std::string>& names,
                          const std::vector<std::string>& templates) {
  const at::NoGradGuard no_grad;
  std::string key;
  for (const auto* list : {&names, &templates}) {
    for (const std::string& one : *list) key += fmt::format("{}:{}", one.size(), one);
    key += '|';
  }
  if (context.memo != nullptr && context.memo->classes.contains(key)) return context.memo->classes.at(key);
  std::vector<std::string> prompts;
  for (const std::string& name : names) {
    for (const std::string& form : templates) prompts.push_back(fill_template(form, name));
  }
  const at::Tensor all = text_features(context, prompts);  // [classes * templates, embed_dim]
  const auto classes = static_cast<std::int64_t>(names.size());
  at::Tensor features = normalise_features(all.view({classes, -1, all.size(1)}).mean(1));
  if (context.memo != nullptr) context.memo->classes.emplace(key, features);
  return features;
}

ZeroshotOutcome evaluate_zeroshot(const EvalContext& context, const PackedSet& set, const std::string& label,
                                  std::int64_t pictures, const ZeroshotFiles& files) {
  const at::NoGradGuard no_grad;
  ZeroshotTask task;
  together(context.comm, [&] { task = zeroshot_task(set, label, files); });
  const at::Tensor prototypes = class_features(context, task.names, task.templates);
  const at::Tensor features = shared_image_features(context, set, FeatureKind::projected);

  ZeroshotOutcome outcome;
  outcome.finite = all_finite(features) && all_finite(prototypes);
  outcome.n = static_cast<std::int64_t>(task.samples.size());
  outcome.left_out = static_cast<std::int64_t>(set.count()) - outcome.n;
  outcome.classes = static_cast<std::int64_t>(task.names.size());
  outcome.names = task.names;
  outcome.truths = task.truths;
  ClassTally tally(task.has_classes ? static_cast<std::int64_t>(task.truths.size()) : 0, outcome.classes);
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> named, mistakes;  // (truth, name given) -> times
  std::int64_t right_classes = 0;
  const std::int64_t every = pictures > 0 ? std::max<std::int64_t>(1, outcome.n / pictures) : outcome.n + 1;
  at::Tensor scores;  // of one block of the set at a time, whether its samples count or not
  std::int64_t block = -1;
  for (std::int64_t i = 0; i < outcome.n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t index = task.samples[at];
    if (index / kEvalBlock != block) {
      block = index / kEvalBlock;
      scores = at::matmul(features.slice(0, block * kEvalBlock, (block + 1) * kEvalBlock), prototypes.t());
    }
    const at::Tensor row = scores[index % kEvalBlock];  // [classes]
    const std::span of_row(row.const_data_ptr<float>(), task.names.size());
    const std::int64_t place = place_of(of_row, task.right[at]);
    tally.add(task.truth[at], place);
    right_classes += static_cast<std::int64_t>(task.right[at].size());
    const std::pair given{task.truth[at], std::max_element(of_row.begin(), of_row.end()) - of_row.begin()};
    ++named[given];
    if (place > 0) ++mistakes[given];
    if (i % every != 0 || static_cast<std::int64_t>(outcome.pictures.size()) >= pictures) continue;
    const auto [values, indices] = row.topk(std::min<std::int64_t>(3, outcome.classes));
    TopNames top{static_cast<std::uint64_t>(index), static_cast<std::int32_t>(task.truth[at]), {}, {}};
    for (std::int64_t k = 0; k < values.size(0); ++k) {
      top.classes.push_back(indices.const_data_ptr<std::int64_t>()[k]);
      top.scores.push_back(static_cast<double>(values.const_data_ptr<float>()[k]));
    }
    outcome.pictures.push_back(top);
  }
  outcome.metrics = tally.metrics();
  outcome.chance =
      static_cast<double>(right_classes) / static_cast<double>(outcome.n) / static_cast<double>(outcome.classes);
  if (!task.has_classes) return outcome;
  for (std::size_t c = 0; c < task.truths.size(); ++c) {
    const auto truth = static_cast<std::int64_t>(c);
    if (tally.seen(truth) > 0) outcome.by_class.push_back({truth, tally.seen(truth), tally.right(truth), -1, 0});
  }
  for (const auto& [pair, times] : named) outcome.confusion.push_back({pair.first, pair.second, times});
  auto one = outcome.by_class.begin();
  for (const auto& [pair, times] : mistakes) {  // in the order of the truth
    while (one->truth != pair.first) ++one;
    if (times > one->times) std::tie(one->mistaken_for, one->times) = std::pair(pair.second, times);
  }
  return outcome;
}

std::string per_class_csv(const ZeroshotOutcome& outcome) {
  const auto quoted = [](const std::string& text) {
    if (text.find_first_of(",\"\n") == std::string::npos) return text;
    std::string safe = "\"";
    for (const char c : text) safe += c == '"' ? "\"\"" : std::string(1, c);
    return safe + "\"";
  };
  const auto recall = [](const ZeroshotOutcome::OfClass& one) {
    return static_cast<double>(one.right) / static_cast<double>(one.n);
  };
  std::vector<ZeroshotOutcome::OfClass> classes = outcome.by_class;
  std::ranges::stable_sort(classes, {}, recall);
  std::string csv = "class,n,right,recall,mistaken_for,times\n";
  for (const ZeroshotOutcome::OfClass& one : classes) {
    const bool mistaken = one.mistaken_for >= 0;
    csv += fmt::format("{},{},{},{:.4f},{},{}\n", quoted(outcome.truths[static_cast<std::size_t>(one.truth)]), one.n,
                       one.right, recall(one),
                       mistaken ? quoted(outcome.names[static_cast<std::size_t>(one.mistaken_for)]) : "", one.times);
  }
  return csv;
}

Json confusion_json(const ZeroshotOutcome& outcome) {
  Json counts = Json::array();
  for (const ZeroshotOutcome::Named& one : outcome.confusion) counts.push_back({one.truth, one.name, one.times});
  return {{"truths", outcome.truths}, {"names", outcome.names}, {"counts", std::move(counts)}};
}

RetrievalOutcome evaluate_retrieval(const EvalContext& context, const PackedSet& set, bool first_caption_only) {
  const at::NoGradGuard no_grad;
  std::vector<std::string> texts;
  std::vector<std::int64_t> image_of;
  const auto images = static_cast<std::int64_t>(set.count());
  together(context.comm, [&] {
    for (std::int64_t i = 0; i < images; ++i) {
      std::vector<std::string> captions = split_captions(set.captions(static_cast<std::uint64_t>(i)));
      if (first_caption_only) captions.resize(std::min<std::size_t>(1, captions.size()));
      for (std::string& caption : captions) {
        texts.push_back(std::move(caption));
        image_of.push_back(i);
      }
    }
  });
  const auto n_texts = static_cast<std::int64_t>(texts.size());
  const at::Tensor image = shared_image_features(context, set, FeatureKind::projected);
  const at::Tensor text = text_features(context, texts);
  std::vector<std::int64_t> self(static_cast<std::size_t>(images));
  std::iota(self.begin(), self.end(), 0);
  const std::vector<std::int64_t> of_texts = places_of_own(context.comm, text, image, image_of, self);
  const std::vector<std::int64_t> of_images = places_of_own(context.comm, image, text, self, image_of);

  RetrievalOutcome outcome;
  outcome.finite = all_finite(image) && all_finite(text);
  outcome.images = images;
  outcome.texts = n_texts;
  for (const std::int64_t k : {1, 5, 10}) {
    outcome.metrics[fmt::format("image_retrieval_recall@{}", k)] = recall_at(of_texts, k);
    outcome.metrics[fmt::format("text_retrieval_recall@{}", k)] = recall_at(of_images, k);
  }
  return outcome;
}

}  // namespace clip_hpc
