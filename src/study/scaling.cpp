#include "clip_hpc/study/scaling.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kForbidden = "',\n";  // end a shell word, or a value of sbatch --export

Json options_json(const ScalingOptions& options) {
  return {{"model", options.model},         {"batch", options.batch},     {"global_batch", options.global_batch},
          {"precision", options.precision}, {"data", options.data},       {"workers", options.workers},
          {"seconds", options.seconds},     {"max_mib", options.max_mib}, {"parts", options.parts}};
}

}  // namespace

std::vector<std::int64_t> parse_sizes(const std::string& text, const char* word) {
  std::vector<std::int64_t> sizes;
  std::string_view rest = text;
  while (true) {
    const std::string_view one = rest.substr(0, rest.find(','));
    std::int64_t size = 0;
    const auto [end, problem] = std::from_chars(one.data(), one.data() + one.size(), size);
    if (problem != std::errc{} || end != one.data() + one.size() || size < 1 || size > 1'000'000) {
      throw input_error("{} takes numbers from 1 on, 1,2,4,8; got \"{}\"", word, text);
    }
    sizes.push_back(size);
    if (one.size() == rest.size()) break;
    rest.remove_prefix(one.size() + 1);
  }
  std::ranges::sort(sizes);
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

void check_scaling(const ScalingPlan& plan) {
  const ScalingOptions& options = plan.options;
  if (options.model.empty()) {
    throw input_error("clip_study scaling needs --model, for example configs/models/ViT-B-16.json");
  }
  if (options.batch < 1) throw input_error("--batch takes pairs a rank, at least 1, got {}", options.batch);
  if (options.precision != "fp32" && options.precision != "bf16") {
    throw input_error("--precision must be fp32 or bf16, got \"{}\"", options.precision);
  }
  if (!(options.seconds >= 0.1 && options.seconds <= 86400)) {
    throw input_error("--seconds must lie between 0.1 and 86400, got {}", options.seconds);
  }
  if (!(options.max_mib > 0 && options.max_mib <= 65536)) {
    throw input_error("--max-mib must lie above 0, and be 65536 at most, got {}", options.max_mib);
  }
  if (options.workers < 1) throw input_error("--workers must be at least 1, got {}", options.workers);
  for (const std::string* text : {&options.model, &options.data, &options.parts}) {
    if (text->find_first_of(kForbidden) != std::string::npos) {
      throw input_error("a value has a comma or a quote, which sbatch cannot take: {}", *text);
    }
  }
  for (const ScalingPoint& point : plan.points) {
    if (point.ranks() * options.batch < 2) {
      throw input_error("--batch {} on one rank leaves nothing to tell pairs from: at least 2", options.batch);
    }
    if (options.global_batch != 0 && options.global_batch < std::max<std::int64_t>(2, point.ranks())) {
      throw input_error("--global-batch {} leaves some of {} ranks without a pair", options.global_batch,
                        point.ranks());
    }
  }
}

Json scaling_json(const ScalingPlan& plan) {
  Json json = {{"schema_version", 1}, {"options", options_json(plan.options)}, {"points", Json::array()}};
  for (const ScalingPoint& point : plan.points) {
    json["points"].push_back({{"name", point.name()},
                              {"nodes", point.nodes},
                              {"ranks_per_node", point.ranks_per_node},
                              {"ranks", point.ranks()},
                              {"weak_batch", point.ranks() * plan.options.batch},
                              {"strong_batch", plan.options.global_batch},
                              {"file", point.name() + ".jsonl"}});
  }
  return json;
}

ScalingPlan read_scaling_plan(const std::filesystem::path& file) {
  const Json json = read_json_file(file);
  try {
    ScalingPlan plan;
    const Json& options = json.at("options");
    plan.options = {.model = options.at("model"),
                    .batch = options.at("batch"),
                    .global_batch = options.at("global_batch"),
                    .precision = options.at("precision"),
                    .data = options.at("data"),
                    .workers = options.at("workers"),
                    .seconds = options.at("seconds"),
                    .max_mib = options.at("max_mib"),
                    .parts = options.at("parts")};
    for (const Json& point : json.at("points")) {
      plan.points.push_back({.nodes = point.at("nodes"), .ranks_per_node = point.at("ranks_per_node")});
    }
    return plan;
  } catch (const Json::exception& problem) {
    throw input_error("{} was not written by clip_study scaling: {}", file.native(), problem.what());
  }
}

ScalingPlan add_to_folder(const std::filesystem::path& folder, const ScalingPlan& plan) {
  const std::filesystem::path file = folder / "scaling.json";
  if (!std::filesystem::exists(file)) return plan;
  ScalingPlan all = read_scaling_plan(file);
  if (all.options != plan.options) {
    const Json before = options_json(all.options), now = options_json(plan.options);
    for (const auto& [key, value] : before.items()) {
      if (value != now.at(key)) {
        throw input_error("{} was measured with {} = {}, not {}: its points would not compare; give another --output",
                          folder.native(), key, value.dump(), now.at(key).dump());
      }
    }
  }
  for (const ScalingPoint& point : plan.points) {
    if (std::ranges::find(all.points, point) == all.points.end()) all.points.push_back(point);
  }
  std::ranges::sort(all.points, {}, [](const ScalingPoint& p) { return std::pair{p.ranks(), p.nodes}; });
  return all;
}

bool is_complete(const std::filesystem::path& folder, const ScalingPoint& point) {
  return std::filesystem::exists(folder / (point.name() + ".jsonl"));
}

std::vector<std::string> scaling_environment(const std::filesystem::path& folder, const ScalingPlan& plan,
                                             const ScalingPoint& point) {
  const ScalingOptions& options = plan.options;
  std::string parts = options.parts;
  // Loading is a measurement of one node: one size has it.
  if (const auto load = parts.find("load"); load != std::string::npos && point != plan.points.front()) {
    parts.erase(load, 4);
  }
  std::vector<std::string> words{
      fmt::format("OUTPUT='{}'", folder.native()),    fmt::format("NAME={}", point.name()),
      fmt::format("MODEL='{}'", options.model),       fmt::format("BATCH={}", options.batch),
      fmt::format("PRECISION={}", options.precision), fmt::format("SECONDS_EACH={}", options.seconds),
      fmt::format("MAX_MIB={}", options.max_mib),     fmt::format("PARTS='{}'", parts)};
  if (options.global_batch > 0) words.push_back(fmt::format("STRONG={}", options.global_batch));
  if (!options.data.empty()) {
    words.push_back(fmt::format("DATA='{}'", options.data));
    words.push_back(fmt::format("WORKERS={}", options.workers));
  }
  return words;
}

std::string scaling_script(const std::filesystem::path& folder, const ScalingPlan& plan,
                           const std::vector<ScalingPoint>& points, const std::string& time) {
  std::string text = R"sh(#!/usr/bin/env bash
# Written by clip_study scaling. Start it in the project folder; partition, account and GPUs come from CLIP_HPC_SITE.
set -euo pipefail
source "${CLIP_HPC_ROOT:-$PWD}/jobs/env.sh"
)sh";
  for (const ScalingPoint& point : points) {
    text += fmt::format(
        "\njob=$(sbatch --parsable --job-name='{}' --nodes={} --ntasks-per-node={} --time={} \\\n"
        "  --output='{}/log/{}-%j.log' \\\n"
        "  --export=ALL,{} \\\n"
        "  \"$CLIP_HPC_ROOT/jobs/scaling.slurm\")\necho \"{}: {} ranks on {} nodes, job $job\"\n",
        job_name({folder}, point.name(), "scaling"), point.nodes, point.ranks_per_node, time, folder.native(),
        point.name(), fmt::join(scaling_environment(folder, plan, point), ","), point.name(), point.ranks(),
        point.nodes);
  }
  return text;
}

}  // namespace clip_hpc
