// A small run folder with known numbers.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

// A PNG signature is all that the report looks at; browsers are not part of the test.
inline constexpr std::string_view kPngBytes = "\x89PNG\r\n\x1a\n";

inline RunFolder make_run(const std::filesystem::path& path, double best_accuracy = 0.616) {
  const RunFolder run{path};
  run.create();
  std::filesystem::create_directories(run.checkpoint_path(400));
  std::filesystem::create_directories(path / "pictures");
  write_file_atomic(path / "pictures" / "0.png", kPngBytes);
  write_file_atomic(run.config_file(), "[run]\nname = <b>bold & brave</b>\n");
  for (std::int64_t step = 100; step <= 400; step += 100) {
    MetricsLine line;
    line.step = step;
    line.samples_seen = step * 64;
    line.time_s = static_cast<double>(step) * 18.5;
    line.loss = 4.0 - static_cast<double>(step) / 200.0;
    line.logit_scale = 14.3;
    line.lr = 1e-3;
    line.grad_norm = 1.0;
    line.samples_per_s = 2345;
    line.data_wait_share = 0.031;
    line.comm_wait_share = 0.072;
    append_metrics(run.metrics_file(), line);

    Result result;
    result.dataset = "emoji_unseen";
    result.model = "vit_tiny";
    result.metrics = {{"acc1", step == 300 ? best_accuracy : 0.2}};
    result.step = step;
    result.samples_seen = step * 64;
    result.n = 1000;
    result.classes = 50;
    result.chance = 0.02;
    result.baseline = 0.143;
    result.baseline_name = "nearest pixels";
    if (step == 400) {
      result.predictions = {{"pictures/0.png", "cat <i>", {"cat <i>", "dog", "fox"}, {0.71, 0.2, 0.05}},
                            {"pictures/0.png", "owl", {"dog", "owl", "fox"}, {0.4, 0.3, 0.2}}};
    }
    append_result(run.results_file(), result);
  }
  Provenance start;
  start.program_version = "0.1.0";
  start.git_commit = "abc123";
  start.versions = {{"LibTorch", "2.11.0"}};
  start.hosts = {"gpu01"};
  start.world_size = 8;
  start.start_time = utc_now();
  start.command_line = {"clip_hpc", "--config", "a.cfg"};
  start.config_hash = hash_of_config("x");
  append_provenance(run.provenance_file(), start);
  return run;
}

}  // namespace clip_hpc
