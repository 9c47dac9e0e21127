#include "clip_hpc/run/metrics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

// Name and member of every field: reader and writer walk the same list, so they cannot disagree.
struct RealField {
  const char* name;
  double MetricsLine::*member;
};
struct CountField {
  const char* name;
  std::int64_t MetricsLine::*member;
};
constexpr std::array kRealFields{
    RealField{"epoch", &MetricsLine::epoch},
    RealField{"time_s", &MetricsLine::time_s},
    RealField{"loss", &MetricsLine::loss},
    RealField{"logit_scale", &MetricsLine::logit_scale},
    RealField{"lr", &MetricsLine::lr},
    RealField{"grad_norm", &MetricsLine::grad_norm},
    RealField{"samples_per_s", &MetricsLine::samples_per_s},
    RealField{"data_wait_share", &MetricsLine::data_wait_share},
    RealField{"comm_wait_share", &MetricsLine::comm_wait_share},
    RealField{"compute_share", &MetricsLine::compute_share},
    RealField{"tflops", &MetricsLine::tflops},
    RealField{"utilisation", &MetricsLine::utilisation},
};
constexpr std::array kCountFields{
    CountField{"step", &MetricsLine::step},
    CountField{"samples_seen", &MetricsLine::samples_seen},
    CountField{"rss_bytes", &MetricsLine::rss_bytes},
    CountField{"device_bytes", &MetricsLine::device_bytes},
    CountField{"skipped_steps", &MetricsLine::skipped_steps},
    CountField{"bad_samples", &MetricsLine::bad_samples},
};

Json to_json(const MetricsLine& line) {
  Json json = {{"step", line.step}, {"samples_seen", line.samples_seen}};
  for (const RealField& field : kRealFields) {
    const double value = line.*field.member;
    json[field.name] = std::isfinite(value) ? Json(value) : Json(nullptr);
  }
  for (const CountField& field : kCountFields) json[field.name] = line.*field.member;
  return json;
}

MetricsLine from_json(const Json& json) {
  MetricsLine line;
  line.step = json.at("step").get<std::int64_t>();  // the one key that must be there
  for (const CountField& field : kCountFields) line.*field.member = json.value(field.name, line.*field.member);
  for (const RealField& field : kRealFields) {
    const auto found = json.find(field.name);
    if (found != json.end() && !found->is_null()) line.*field.member = found->get<double>();
  }
  return line;
}

// Leaves the file ending in '\n': completes a whole last line, drops a broken one.
void repair_tail(const fs::path& file) {
  std::error_code problem;
  const std::uintmax_t size = fs::file_size(file, problem);
  if (problem || size == 0) return;
  char last = 0;
  pread_all(FileDescriptor::open_read(file).get(), std::as_writable_bytes(std::span(&last, 1)), size - 1,
            file.native());
  if (last == '\n') return;
  const std::string text = read_text_file(file);
  const auto newline = text.rfind('\n');
  const std::size_t start = newline == std::string::npos ? 0 : newline + 1;
  if (!parse_json_or_discarded(std::string_view(text).substr(start)).is_discarded()) {
    append_line(file, "");
    return;
  }
  fs::resize_file(file, start, problem);
  if (problem) throw storage_error("cannot repair {}: {}", file.native(), problem.message());
}

// Calls `use` with each whole line that has `word` in it; a broken last one is left out.
template <class Use>
void each_line(const fs::path& file, std::string_view word, Use use) {
  const std::string text = read_text_file(file);
  std::size_t number = 0;
  for (std::size_t start = 0; start < text.size();) {
    ++number;
    const auto newline = text.find('\n', start);
    const std::size_t stop = newline == std::string::npos ? text.size() : newline;
    const std::string_view part = std::string_view(text).substr(start, stop - start);
    start = stop + 1;
    if (part.find_first_not_of(" \t\r") == std::string_view::npos || part.find(word) == std::string_view::npos)
      continue;
    try {
      use(parse_json(part));
    } catch (const Json::exception& problem) {
      if (newline == std::string::npos) break;  // the run was killed while it wrote this line
      throw storage_error("{} line {} is broken: {}", file.native(), number, problem.what());
    }
  }
}

}  // namespace

void append_metrics(const fs::path& file, const MetricsLine& line) {
  repair_tail(file);
  append_line(file, to_json(line).dump());
}

void append_event(const fs::path& file, const RunEvent& event) {
  repair_tail(file);
  const Json json = {{"step", event.step}, {"event", event.event}, {"text", event.text}};
  append_line(file, json.dump(-1, ' ', false, Json::error_handler_t::replace));
}

std::vector<RunEvent> read_events(const fs::path& file) {
  std::vector<RunEvent> events;
  each_line(file, "\"event\"", [&](const Json& json) {
    if (!json.contains("event")) return;
    events.push_back(
        {json.at("step").get<std::int64_t>(), json.at("event").get<std::string>(), json.value("text", "")});
  });
  return events;
}

std::vector<MetricsLine> read_metrics(const fs::path& file) {
  std::vector<MetricsLine> lines;
  each_line(file, "", [&](const Json& json) {
    if (json.contains("event")) return;
    const MetricsLine line = from_json(json);
    const auto after = std::lower_bound(lines.begin(), lines.end(), line.step,
                                        [](const MetricsLine& a, std::int64_t step) { return a.step < step; });
    lines.erase(after, lines.end());
    lines.push_back(line);
  });
  return lines;
}

double training_time_s(std::span<const MetricsLine> lines) {
  double total_s = 0;
  double previous_s = 0;
  for (const MetricsLine& line : lines) {
    if (!std::isfinite(line.time_s)) continue;
    total_s += line.time_s >= previous_s ? line.time_s - previous_s : line.time_s;
    previous_s = line.time_s;
  }
  return total_s;
}

}  // namespace clip_hpc
