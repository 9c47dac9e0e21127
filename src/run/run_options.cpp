#include "clip_hpc/run/run_options.hpp"

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

void describe(OptionTable& table, RunOptions& options) {
  // The name becomes a folder: a slash or ".." would put the run somewhere its user does not look.
  const auto folder_name = [](const std::string& name, const std::string& value) {
    if (value.empty() || value == "." || value == ".." || value.find('/') != std::string::npos) {
      throw input_error("{} must be the name of a folder, without '/', got \"{}\"; run.dir says where it goes", name,
                        value);
    }
  };
  table.add("run.name", options.name, "name of the run; its folder is run.dir/run.name", folder_name);
  table.add("run.dir", options.dir, "folder that holds the run folders");
  table.add("run.seed", options.seed, "seed of weights, sample order and augmentation", at_least(0));
  table.add("run.log_every", options.log_every, "steps between two lines of metrics.jsonl", at_least(1));
}

}  // namespace clip_hpc
