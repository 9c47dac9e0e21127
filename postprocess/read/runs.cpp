#include "postprocess/read/runs.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <set>
#include <span>
#include <system_error>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/statistics.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

// Reads one file of a run. A run that was stopped early lacks some: that is said in the report and stops nothing.
template <class T, class Read>
void load(RunRecord& run, T& into, const fs::path& file, const char* without, Read read) {
  std::error_code ignored;
  if (!fs::exists(file, ignored)) {
    run.missing.push_back(fmt::format("{} ({} is not there)", without, file.filename().native()));
    return;
  }
  try {
    into = read(file);
  } catch (const Error& problem) {
    run.broken.push_back(problem.what());
  } catch (const std::exception& problem) {  // of a field of another type, which names no file
    run.broken.push_back(fmt::format("{}: {}", file.native(), problem.what()));
  }
}

void note_gaps(RunRecord& run) {
  std::error_code ignored;
  const bool measured = fs::exists(run.folder.metrics_file(), ignored);
  if (measured && run.metrics.empty() && run.broken.empty()) run.missing.push_back("no training step logged yet");
  if (run.checkpoint_steps.empty()) run.missing.push_back("no checkpoint yet");
  bool classified = false;
  bool with_baseline = false;
  bool with_pictures = false;
  for (const Result& result : run.results) {
    classified = classified || result.task == kTaskZeroshot;
    with_baseline = with_baseline || result.baseline.has_value();
    with_pictures = with_pictures || !result.predictions.empty();
  }
  if (run.results.empty()) return;
  if (!classified) run.missing.push_back("no zero-shot classification yet");
  if (classified && !with_baseline) run.missing.push_back("no pixel baseline beside the accuracy");
  if (classified && !with_pictures) run.missing.push_back("no test pictures with predictions");
}

RunRecord load_run(const RunFolder& folder) {
  RunRecord run;
  run.folder = folder;
  load(run, run.metrics, folder.metrics_file(), "no training curve", read_metrics);
  std::error_code ignored;
  const fs::path followed = folder.path / kFollowResults;
  const bool alone = !fs::exists(folder.results_file(), ignored) && fs::exists(followed, ignored);
  load(run, run.results, alone ? followed : folder.results_file(), "no evaluation yet",
       [&](const fs::path&) { return read_run_results(folder); });
  tell_views_apart(run.results);
  if (fs::exists(folder.metrics_file(), ignored) && run.broken.empty()) {
    std::vector<RunEvent> events;
    load(run, events, folder.metrics_file(), "no events", read_events);
    for (const RunEvent& event : events) {
      if (event.event == kEvaluationFailed) {
        run.missing.push_back(fmt::format("an evaluation of step {} failed: {}", event.step, event.text));
      }
    }
  }
  load(run, run.config, folder.config_file(), "no configuration", read_text_file);
  load(run, run.starts, folder.provenance_file(), "no provenance", read_provenance);
  try {
    run.checkpoint_steps = folder.checkpoint_steps();
  } catch (const Error& problem) {
    run.broken.push_back(problem.what());
  }
  note_gaps(run);
  return run;
}

// The last `depth` parts of an absolute path.
std::string tail_of(const fs::path& path, int depth) {
  fs::path tail = path.filename();
  fs::path rest = path.parent_path();
  for (int i = 1; i < depth && rest.has_filename(); ++i, rest = rest.parent_path()) tail = rest.filename() / tail;
  return tail.string();
}

void name_runs(std::span<RunRecord> runs) {
  for (int depth = 1; depth <= 8; ++depth) {
    std::set<std::string> names;
    for (RunRecord& run : runs) {
      run.name = tail_of(run.folder.path, depth);
      names.insert(run.name);
    }
    if (names.size() == runs.size()) return;
  }
}

// On all processors: hundreds of runs with thousands of lines each are a matter of parsing.
std::vector<RunRecord> load_all(const std::vector<fs::path>& folders) {
  std::vector<RunRecord> runs(folders.size());
  std::vector<std::exception_ptr> problems(folders.size());
  std::atomic<std::size_t> next = 0;
  const auto work = [&] {
    for (std::size_t i = next++; i < folders.size(); i = next++) {
      try {
        runs[i] = load_run(RunFolder{folders[i]});
      } catch (...) {
        problems[i] = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    const std::size_t count = std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, 8);
    for (std::size_t i = 1; i < std::min(count, folders.size()); ++i) threads.emplace_back(work);
    work();
  }
  for (const std::exception_ptr& problem : problems) {
    if (problem) std::rethrow_exception(problem);
  }
  return runs;
}

}  // namespace

double Track::value(const Result& result) const {
  const auto found = result.metrics.find(metric);
  return found == result.metrics.end() ? std::nan("") : found->second;
}

std::vector<RunRecord> load_runs(const std::vector<fs::path>& roots) { return load_runs({}, roots); }

std::vector<RunRecord> load_runs(const std::vector<NamedRun>& named, const std::vector<fs::path>& roots) {
  std::vector<fs::path> folders;
  std::vector<std::string> names;
  std::set<fs::path> known;  // the same folder named twice is one run
  for (const NamedRun& one : named) {
    std::error_code none;
    const fs::path folder = fs::canonical(one.folder, none);
    if (none || !RunFolder{folder}.exists() || !known.insert(folder).second) continue;
    folders.push_back(folder);
    names.push_back(one.name);
  }
  std::set<fs::path> others;
  for (const fs::path& root : roots) {
    if (std::error_code none; fs::exists(root / "plan.json", none)) {
      throw input_error("{} is the folder of a study: give --study in place of --runs", root.native());
    }
    const auto found = find_run_folders(root);
    if (found.empty()) {
      throw input_error(
          "{} holds no run folder: --runs takes a folder that clip_hpc wrote (with config.cfg, metrics.jsonl or "
          "results.json in it), or a folder of such folders",
          root.native());
    }
    for (const RunFolder& folder : found) {
      const fs::path path = fs::canonical(folder.path);
      if (!known.contains(path)) others.insert(path);
    }
  }
  folders.insert(folders.end(), others.begin(), others.end());
  std::vector<RunRecord> runs = load_all(folders);
  for (std::size_t i = 0; i < names.size(); ++i) runs[i].name = names[i];
  name_runs(std::span(runs).subspan(names.size()));
  return runs;
}

std::vector<Track> tracks_of(const RunRecord& run) { return tracks_of(run.results); }

std::vector<Track> tracks_of(const std::vector<Result>& results) {
  std::vector<Track> tracks;
  for (const Result& result : results) {
    std::string label = result.label;
    if (!result.variant.empty()) label += (label.empty() ? "" : ", ") + result.variant;
    const auto same = [&](const Track& track) {
      return track.dataset == result.dataset && track.task == result.task && track.label == label;
    };
    auto track = std::find_if(tracks.begin(), tracks.end(), same);
    if (track == tracks.end()) {
      track = tracks.insert(tracks.end(), {result.dataset, result.task, label, main_metric(result), {}, nullptr});
    }
    track->results.push_back(&result);
  }
  for (Track& track : tracks) {
    std::stable_sort(track.results.begin(), track.results.end(),
                     [](const Result* a, const Result* b) { return a->step < b->step; });
    for (const Result* result : track.results) {
      const double value = track.value(*result);
      if (std::isnan(value)) continue;
      if (track.best == nullptr || value > track.value(*track.best)) track.best = result;
    }
  }
  return tracks;
}

double median_of(const std::vector<MetricsLine>& lines, double MetricsLine::*member) {
  std::vector<double> values;
  for (const MetricsLine& line : lines) {
    if (std::isfinite(line.*member)) values.push_back(line.*member);
  }
  return values.empty() ? kNotMeasured : upper_median(std::move(values));
}

double last_of(const std::vector<MetricsLine>& lines, double MetricsLine::*member) {
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    if (std::isfinite((*line).*member)) return (*line).*member;
  }
  return kNotMeasured;
}

}  // namespace clip_hpc
