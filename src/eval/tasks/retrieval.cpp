#include "clip_hpc/eval/tasks/retrieval.hpp"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <numeric>

#include "clip_hpc/base/log.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/eval/ranking.hpp"
#include "clip_hpc/eval/text_features.hpp"
#include "eval/tasks/task_rows.hpp"

namespace clip_hpc {

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

namespace {

void run_retrieval(const TaskRun& run, const PackedSet& set) {
  const RetrievalOutcome outcome = evaluate_retrieval(run.context, set, run.options.captions == "first");
  require_finite(run.context, set, outcome.finite);
  Result result = run.common;
  result.dataset = set_name(set, run.names);
  result.task = kTaskRetrieval;
  result.metrics = outcome.metrics;
  result.n = outcome.images;
  log_info("{}: {} images, {} texts: image->text R@1 {:.1f} %, text->image R@1 {:.1f} %, R@5 {:.1f} %", result.dataset,
           outcome.images, outcome.texts, 100 * outcome.metrics.at("text_retrieval_recall@1"),
           100 * outcome.metrics.at("image_retrieval_recall@1"), 100 * outcome.metrics.at("image_retrieval_recall@5"));
  run.hand_in({std::move(result)});
}

}  // namespace

EvalTask retrieval_row() {
  return {
      .name = "retrieval",
      .help = "",
      .shown_as = "retrieval",
      .result_task = kTaskRetrieval,
      .metrics = {"mean_recall@1", "image_retrieval_recall@1", "text_retrieval_recall@1", "image_retrieval_recall@5",
                  "text_retrieval_recall@5", "image_retrieval_recall@10", "text_retrieval_recall@10"},
      .main_metric = "image_retrieval_recall@1",
      .labels = [](const PackedSet&, const EvalOptions&) { return Strings{"label"}; },
      .variants = [](const EvalOptions&) { return Strings{""}; },
      .check = [](const PackedSet& set, const EvalOptions&) { set.require_captions("retrieval", true); },
      .run = run_retrieval};
}

}  // namespace clip_hpc
