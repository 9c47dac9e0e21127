#include "clip_hpc/eval/options.hpp"

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

void describe(OptionTable& table, EvalOptions& options) {
  table.add("eval.every_samples", options.every_samples,
            "evaluate every so many samples seen; 0: only after the last step", at_least(0));
  table.add("eval.data", options.data, "packed set to evaluate on");
  table.add("eval.tasks", options.tasks, "`zeroshot` (sets with labels) or `retrieval`",
            [](const std::string& name, const std::vector<std::string>& tasks) {
              for (const std::string& task : tasks) one_of({"zeroshot", "retrieval"})(name, task);
            });
  table.add("eval.view", options.view, "test image to model input: `resize`, `eval` (short side, centre crop)",
            one_of({"resize", "eval", "eval_longest"}));
  table.add("eval.captions", options.captions, "retrieval: `all` captions of an image, or its `first`",
            one_of({"all", "first"}));
  table.add("eval.pictures", options.pictures, "test pictures that are kept with the three best names, for the report",
            in_range(std::int64_t{0}, std::int64_t{1000}));
}

}  // namespace clip_hpc
