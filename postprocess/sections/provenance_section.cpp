#include "postprocess/sections/provenance_section.hpp"

#include <map>
#include <set>

#include <fmt/format.h>

#include "postprocess/html/html_table.hpp"
#include "postprocess/read/entries.hpp"
#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

std::string row(const std::string& name, const std::string& value) {
  return fmt::format("<dt>{}</dt><dd>{}</dd>", escape_html(name), escape_html(value));
}

std::string provenance_of(const RunRecord& run) {
  std::string text = fmt::format("<details><summary>{}</summary>\n<dl class=\"left\">", escape_html(run.name));
  text += row("folder", run.folder.path.string());
  for (std::size_t i = 0; i < run.starts.size(); ++i) {
    const Provenance& start = run.starts[i];
    text += row(i == 0 ? "started" : "started again", start.start_time);
    text += row("version", fmt::format("clip_hpc {}, commit {}", start.program_version, start.git_commit));
    for (const auto& [name, version] : start.versions) text += row(name, version);
    text += row("ranks", fmt::format("{} on {}", start.world_size, fmt::join(start.hosts, ", ")));
    text += row("command", fmt::format("{}", fmt::join(start.command_line, " ")));
    text += row("configuration hash", start.config_hash);
  }
  text += "</dl>\n";
  if (!run.config.empty()) text += fmt::format("<pre>{}</pre>", escape_html(run.config));
  return text + "</details>\n";
}

std::string build_of(const Provenance& start) {
  std::string text = fmt::format("clip_hpc {}, commit {}", start.program_version, start.git_commit);
  for (const auto& [name, version] : start.versions) text += fmt::format(", {} {}", name, version);
  return text;
}

struct Build {
  std::set<std::string> runs, hosts;
  std::string first, last;
};

std::string of_many(const std::vector<RunRecord>& runs) {
  std::map<std::string, Build> builds;
  HtmlTable starts{.id = "provenance",
                   .columns = {{"run", true},
                               {"starts"},
                               {"ranks"},
                               {"nodes", true},
                               {"first start", true},
                               {"last start", true},
                               {"configuration hash", true},
                               {"folder", true}},
                   .rows = {},
                   .foot = {},
                   .row_word = "runs"};
  for (const RunRecord& run : runs) {
    std::set<std::string> hosts;
    for (const Provenance& start : run.starts) {
      Build& build = builds[build_of(start)];
      build.runs.insert(run.name);
      build.hosts.insert(start.hosts.begin(), start.hosts.end());
      hosts.insert(start.hosts.begin(), start.hosts.end());
      if (build.first.empty() || start.start_time < build.first) build.first = start.start_time;
      if (start.start_time > build.last) build.last = start.start_time;
    }
    if (run.starts.empty()) {
      starts.rows.push_back({text_field(run.name), {}, {}, {}, {}, {}, {}, text_field(run.folder.path.native())});
      continue;
    }
    const Provenance& last = run.starts.back();
    starts.rows.push_back({text_field(run.name),
                           number_field(static_cast<double>(run.starts.size()), fmt::format("{}", run.starts.size())),
                           number_field(static_cast<double>(last.world_size), fmt::format("{}", last.world_size)),
                           text_field(fmt::format("{}", fmt::join(hosts, ", "))),
                           text_field(run.starts.front().start_time), text_field(last.start_time),
                           text_field(last.config_hash), text_field(run.folder.path.native())});
  }
  std::string text = "<ul class=\"gaps\">\n";
  for (const auto& [name, build] : builds) {
    text += fmt::format("<li><b>{}</b>: {} run{} on {} node{}, from {} to {}</li>\n", escape_html(name),
                        build.runs.size(), build.runs.size() == 1 ? "" : "s", build.hosts.size(),
                        build.hosts.size() == 1 ? "" : "s", escape_html(build.first), escape_html(build.last));
  }
  return text + "</ul>\n<details><summary>Each run</summary>\n" + to_html(starts) + "</details>\n";
}

}  // namespace

std::string provenance_section(const std::vector<RunRecord>& runs) {
  if (runs.size() > kFewRuns) return of_many(runs);
  std::string text;
  for (const RunRecord& run : runs) text += provenance_of(run);
  return text;
}

}  // namespace clip_hpc
