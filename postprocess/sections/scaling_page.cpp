#include "postprocess/sections/scaling_page.hpp"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <system_error>

#include <fmt/format.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "postprocess/figures/figures.hpp"
#include "postprocess/figures/scaling_figures.hpp"
#include "postprocess/html/style.hpp"
#include "postprocess/read/number_text.hpp"
#include "postprocess/sections/scaling_findings.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr double kCheckpointEvery_ms = 600e3;  // checkpoint.every_minutes = 10, its default

constexpr const char* kStyle = R"css(
.parts { display: grid; grid-template-columns: auto 1fr auto; gap: 6px 12px; align-items: center; font-size: .9rem;
  background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; }
.parts .stack { display: flex; height: 18px; background: var(--track); border-radius: 4px; overflow: hidden; }
.parts .stack i { display: block; height: 100%; border-right: 1px solid var(--card); }
.parts b { font-weight: 600; white-space: nowrap; } .parts span { white-space: nowrap; font-variant-numeric: tabular-nums; }
.work { background: #2f7fc1; } .comm { background: #d9661f; } .data { background: #2e9e5b; } .save { background: #9a5bd0; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 12px; font-size: .9rem; color: var(--soft); }
.key i { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin-right: 6px; }
)css";

const CheckpointRecord* checkpoint_of(const ScalingRecords& records, int ranks, int nodes) {
  for (const CheckpointRecord& one : records.checkpoints) {
    if (one.ranks == ranks && one.nodes == nodes) return &one;
  }
  return nullptr;
}

// What saving every ten minutes adds to a step, on average.
double checkpoint_ms_a_step(const ScalingRecords& records, const StepRecord& step) {
  const CheckpointRecord* one = checkpoint_of(records, step.ranks, step.nodes);
  return one == nullptr ? 0 : one->blocked_ms * step.step_ms / kCheckpointEvery_ms;
}

std::string cells(const std::vector<std::string>& values, const char* tag) {
  std::string text = "<tr>";
  for (const std::string& value : values) text += fmt::format("<{0}>{1}</{0}>", tag, escape_html(value));
  return text + "</tr>\n";
}

std::string table(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::string text = "<div class=\"scroll\"><table>\n<thead>" + cells(head, "th") + "</thead><tbody>\n";
  for (const auto& row : rows) text += cells(row, "td");
  return text + "</tbody></table></div>\n";
}

std::string number(double value) { return fmt::format("{:.{}f}", value, value < 100 ? 2 : 1); }

const std::vector<std::string> kStepHead{"scaling",        "ranks",        "nodes",         "batch",
                                         "step ms",        "pairs/s",      "efficiency",    "work ms",
                                         "comm wait ms",   "data wait ms", "checkpoint ms", "gradients alone ms",
                                         "gather alone ms"};

std::vector<std::vector<std::string>> step_rows(const ScalingRecords& records) {
  std::vector<std::vector<std::string>> rows;
  for (const StepRecord& step : records.steps) {
    rows.push_back({step.label, std::to_string(step.ranks), std::to_string(step.nodes), fmt::format("{}", step.batch),
                    number(step.step_ms), number(step.pairs_per_s),
                    fmt::format("{:.1f} %", 100 * efficiency_of(records, step)), number(step.work_ms()),
                    number(step.comm_wait_ms()), number(step.data_wait_ms()),
                    fmt::format("{:.3f}", checkpoint_ms_a_step(records, step)), number(step.gradients_alone_ms),
                    number(step.gather_alone_ms)});
  }
  return rows;
}

std::string breakdown(const ScalingRecords& records) {
  std::string text =
      "<div class=\"key\" aria-hidden=\"true\"><span><i class=\"work\"></i>work</span><span><i "
      "class=\"comm\"></i>waiting "
      "for other ranks and links</span><span><i class=\"data\"></i>waiting for data</span><span><i "
      "class=\"save\"></i>checkpoint, every 10 minutes</span></div>\n";
  for (const std::string& label : labels_of(records)) {
    double longest = 0;
    for (const StepRecord& step : records.steps) {
      if (step.label == label) longest = std::max(longest, step.step_ms + checkpoint_ms_a_step(records, step));
    }
    text += fmt::format("<h3>{} scaling</h3>\n<div class=\"parts\">\n", escape_html(label));
    for (const StepRecord& step : records.steps) {
      if (step.label != label) continue;
      const std::array<std::pair<const char*, double>, 4> parts{{{"work", step.work_ms()},
                                                                 {"comm", step.comm_wait_ms()},
                                                                 {"data", step.data_wait_ms()},
                                                                 {"save", checkpoint_ms_a_step(records, step)}}};
      std::string bars;
      for (const auto& [name, ms] : parts) {
        if (ms > 0) bars += fmt::format("<i class=\"{}\" style=\"width:{:.2f}%\"></i>", name, 100 * ms / longest);
      }
      text += fmt::format(
          "<b>{} rank{}</b><div class=\"stack\" role=\"img\" aria-label=\"work {:.2f}, communication {:.2f}, data "
          "{:.2f}, "
          "checkpoint {:.3f} ms\">{}</div><span>{} ms</span>\n",
          step.ranks, step.ranks == 1 ? "" : "s", parts[0].second, parts[1].second, parts[2].second, parts[3].second,
          bars, number(step.step_ms));
    }
    text += "</div>\n";
  }
  return text;
}

struct NodeWork {
  double sum_ms = 0, most_ms = 0;
  int ranks = 0, slowest = 0;
};

// Nodes of the largest weak size, slowest first.
std::string stragglers(const ScalingRecords& records) {
  const StepRecord* largest = nullptr;
  for (const StepRecord& step : records.steps) {
    if (step.label == records.steps.front().label && (largest == nullptr || step.ranks > largest->ranks)) {
      largest = &step;
    }
  }
  std::map<std::string, NodeWork> nodes;
  for (const RankTime& one : largest->rank_times) {
    NodeWork& node = nodes[one.host];
    node.sum_ms += one.work_ms;
    node.ranks += 1;
    if (one.work_ms > node.most_ms) {
      node.most_ms = one.work_ms;
      node.slowest = one.rank;
    }
  }
  std::vector<std::pair<std::string, NodeWork>> order(nodes.begin(), nodes.end());
  std::ranges::stable_sort(order, std::greater<>(), [](const auto& one) { return one.second.most_ms; });
  if (order.size() > 20) order.resize(20);
  std::vector<std::vector<std::string>> rows;
  for (const auto& [host, node] : order) {
    rows.push_back({host, std::to_string(node.ranks), number(node.sum_ms / node.ranks), number(node.most_ms),
                    std::to_string(node.slowest)});
  }
  const RankTime& slow = largest->slowest();
  std::vector<double> works;
  for (const RankTime& one : largest->rank_times) works.push_back(one.work_ms);
  return fmt::format(
             "<p>On {} ranks the slowest is rank <b>{}</b> on <b>{}</b>: it works {} ms a step ({} to {} in single "
             "steps), "
             "{:.0f} % more than the median rank. The others wait for it.</p>\n",
             largest->ranks, slow.rank, escape_html(slow.host), number(slow.work_ms), number(slow.least_work_ms),
             number(slow.most_work_ms), 100 * (slow.work_ms / median(works) - 1)) +
         table({"node", "ranks", "mean work ms", "slowest rank's ms", "slowest rank"}, rows);
}

std::string model_section(const ScalingFindings& found) {
  if (!found.model) return fmt::format("<p class=\"none\">none: {}</p>\n", escape_html(found.no_model));
  const StepModel& model = *found.model;
  std::string text = fmt::format(
      "<p>A step is <b>work</b> + waiting for data + what of the <b>gradients</b>' exchange the work does not hide + "
      "the "
      "<b>gather</b> of features + <b>rest</b>. A collective costs rounds &times; &alpha; + bytes &times; &beta;; how "
      "rounds and bytes grow with the ranks is its algorithm's shape, of which the best fitting one is taken.</p>\n<ul "
      "class=\"gaps\"><li>gradients, {} in {:.0f} buckets: {}</li>\n<li>all-gather: {}</li>\n<li>reduce-scatter: "
      "{}</li>\n"
      "<li>buckets take {:.2f} times, gather {:.2f} times what single messages would</li>\n<li>work {:.2f} + {:.3f} ms "
      "a "
      "pair of a rank; it hides {:.0f} % of its length of gradients; rest {:.2f} ms</li></ul>\n",
      show_bytes(static_cast<std::int64_t>(model.gradient_bytes)), model.gradient_buckets,
      escape_html(fit_words(*model.gradients)), escape_html(fit_words(*model.all_gather)),
      escape_html(fit_words(*model.reduce_scatter)), model.gradients_factor, model.gather_factor, model.work_0_ms,
      model.work_1_ms, 100 * model.hidden_share, model.rest_ms);
  text += "<h3>Checked on the largest size, fitted without it</h3>\n";
  if (found.held_out.empty()) {
    text += fmt::format("<p class=\"none\">not possible: {}</p>\n", escape_html(found.no_check));
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const HeldOutStep& one : found.held_out) {
      rows.push_back({one.label, std::to_string(one.predicted.ranks), number(one.predicted.step_ms()),
                      number(one.measured_ms), signed_percent(one.miss()), number(one.predicted.gradients_ms),
                      number(one.gradients_ms), signed_percent(one.gradients_miss())});
    }
    text += table({"scaling", "ranks", "step predicted ms", "measured ms", "miss", "gradients predicted ms",
                   "measured ms", "miss"},
                  rows);
  }
  if (found.asked.empty()) return text;
  text += "<h3>Larger sizes</h3>\n";
  std::vector<std::vector<std::string>> rows;
  for (const StepPrediction& one : found.asked) {
    rows.push_back({one.label, std::to_string(one.ranks), std::to_string(one.nodes), fmt::format("{:.0f}", one.batch),
                    number(one.step_ms()), number(one.pairs_per_s()), number(one.work_ms), number(one.exposed_ms),
                    number(one.gradients_ms), number(one.gather_ms), number(one.rest_ms)});
  }
  return text + table({"scaling", "ranks", "nodes", "batch", "step ms", "pairs/s", "work ms", "gradients exposed ms",
                       "gradients ms", "gather ms", "rest ms"},
                      rows);
}

std::string csv_of(const std::vector<std::string>& head, const std::vector<std::vector<std::string>>& rows) {
  std::string text = fmt::format("{}\n", fmt::join(head, ","));
  for (const auto& row : rows) text += fmt::format("{}\n", fmt::join(row, ","));
  return text;
}

std::string rank_csv(const ScalingRecords& records) {
  std::string text =
      "scaling,ranks,nodes,rank,host,step_ms,work_ms,comm_wait_ms,data_wait_ms,least_work_ms,median_work_ms,most_work_"
      "ms\n";
  for (const StepRecord& step : records.steps) {
    for (const RankTime& one : step.rank_times) {
      text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\n", step.label, step.ranks, step.nodes, one.rank,
                          one.host, one.step_ms, one.work_ms, one.comm_wait_ms, one.data_wait_ms, one.least_work_ms,
                          one.median_work_ms, one.most_work_ms);
    }
  }
  return text;
}

std::string checkpoint_section(const ScalingRecords& records) {
  if (records.checkpoints.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const CheckpointRecord& one : records.checkpoints) {
    rows.push_back({std::to_string(one.ranks), std::to_string(one.nodes),
                    show_bytes(static_cast<std::int64_t>(one.bytes)), number(one.write_ms),
                    number(one.bytes / 1048.576 / one.write_ms), number(one.read_ms),
                    number(one.bytes / 1048.576 / one.read_ms)});
  }
  return "<h2>Checkpoints</h2>\n" +
         table({"ranks", "nodes", "size", "write ms", "write MiB/s", "read ms", "read MiB/s"}, rows);
}

std::string load_section(const ScalingRecords& records) {
  if (records.loads.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (const LoadRecord& one : records.loads) {
    rows.push_back(
        {one.what, fmt::format("{}", one.threads), fmt::format("{:.0f}", one.samples_per_s), number(one.mib_per_s)});
  }
  return "<h2>Loading on one node</h2>\n" + table({"what", "threads", "samples/s", "MiB/s"}, rows);
}

// Figures of the page; a figure that cannot be drawn is named in `broken`.
std::string drawn_figures(const ScalingFindings& found, const fs::path& data, ScalingPage& result) {
  const fs::path gnuplot = find_gnuplot();
  std::string drawn;
  for (const Figure& figure : scaling_figures(found.records, found.curve)) {
    const std::string csv = figure.id + ".csv";
    write_file_atomic(data / csv, csv_of(figure));
    try {
      drawn += fmt::format("<figure><figcaption>{} <a href=\"{}\">CSV</a></figcaption>\n{}</figure>\n",
                           escape_html(figure.title), escape_html((data.filename() / csv).string()),
                           draw_svg(figure, gnuplot));
      ++result.figures;
    } catch (const Error& error) {
      result.broken.push_back(fmt::format("figure \"{}\" could not be drawn: {}", figure.title, error.what()));
    }
  }
  return drawn;
}

std::string page_of(const ScalingFindings& found, const std::string& drawn, const fs::path& data,
                    const ScalingPage& result) {
  const StepRecord& first = found.records.steps.front();
  const std::string title =
      escape_html(fmt::format("Scaling of {}, {}, on {}", first.model, first.precision, first.device));
  std::string text = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src "
      "data:\">\n<title>{0}</title>\n<style>{1}{2}</style></head>\n<body><main>\n<h1>{0}</h1>\n<p class=\"sub\">{3} to "
      "{4} ranks, written {5}</p>\n",
      title, page_style(), kStyle, std::ranges::min(found.records.steps, {}, &StepRecord::ranks).ranks,
      most_ranks_of(found.records), utc_now());
  text += "<h2>Sizes</h2>\n" + table(kStepHead, step_rows(found.records));
  text += fmt::format(
      "<p class=\"note\">Means over ranks. Checkpoint: what saving every 10 minutes adds to a step. <a "
      "href=\"{0}/steps.csv\">CSV</a></p>\n",
      escape_html(data.filename().string()));
  text += "<h2>What a step is made of</h2>\n" + breakdown(found.records);
  text += "<h2>Figures</h2>\n<div class=\"figures\">\n" + drawn + "</div>\n";
  text += "<h2>Slowest ranks</h2>\n" + stragglers(found.records);
  text += fmt::format("<p class=\"note\"><a href=\"{}/ranks.csv\">all ranks as CSV</a></p>\n",
                      escape_html(data.filename().string()));
  text += "<h2>Model</h2>\n" + model_section(found);
  text += checkpoint_section(found.records) + load_section(found.records);
  text += "<h2>What is missing</h2>\n";
  std::string gaps;
  for (const std::string& one : found.records.missing) gaps += fmt::format("<li>{}</li>\n", escape_html(one));
  for (const std::string& one : result.broken) gaps += fmt::format("<li class=\"none\">{}</li>\n", escape_html(one));
  text += gaps.empty() ? "<p>Nothing: every size of the plan was measured.</p>\n"
                       : "<ul class=\"gaps\">\n" + gaps + "</ul>\n";
  text += fmt::format("<footer>clip_report {}, commit {}</footer>\n</main></body></html>\n", program_version(),
                      git_commit());
  return text;
}

}  // namespace

ScalingPage write_scaling_page(const ScalingPageOptions& options) {
  const ScalingFindings found = find_scaling(options);
  ScalingPage result{.page = {}, .figures = 0, .summary = scaling_summary(found), .broken = found.records.broken};
  if (options.output.empty()) return result;
  find_gnuplot();  // before anything is written
  const bool is_page = options.output.extension() == ".html" || options.output.extension() == ".htm";
  result.page = is_page ? options.output : options.output / "scaling.html";
  const fs::path data = result.page.parent_path() / (result.page.stem().string() + "_data");
  std::error_code problem;
  fs::create_directories(data, problem);
  if (problem) throw storage_error("cannot create the folder {}: {}", data.native(), problem.message());
  write_file_atomic(data / "steps.csv", csv_of(kStepHead, step_rows(found.records)));
  write_file_atomic(data / "ranks.csv", rank_csv(found.records));

  const std::string drawn = drawn_figures(found, data, result);
  write_file_atomic(result.page, page_of(found, drawn, data, result));
  return result;
}

}  // namespace clip_hpc
