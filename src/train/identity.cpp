#include "clip_hpc/train/identity.hpp"

#include <algorithm>
#include <iterator>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/config/ini_file.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/run/provenance.hpp"

namespace clip_hpc {
namespace {

struct Rule {
  const char* prefix;  // a key, or a section with its point
  Change change;
};

// What is not here never changes. docs/runs.md has this list for users.
constexpr Rule kRules[] = {
    // Where and how it is computed, watched and kept: the same run, up to rounding.
    {"run.name", Change::free},
    {"run.dir", Change::free},
    {"run.log_every", Change::free},
    {"data.allow_repeats", Change::free},
    {"data.workers", Change::free},
    {"data.loader_memory_mib", Change::free},
    {"train.device", Change::free},
    {"train.threads", Change::free},
    {"train.micro_batch", Change::free},
    {"train.loss_columns", Change::free},
    {"train.recompute", Change::free},
    {"train.cuda_graph", Change::free},
    {"train.pack_captions", Change::free},
    {"train.deterministic", Change::free},
    {"train.forbid_waits", Change::free},
    {"train.non_finite_limit", Change::free},
    {"train.check_ranks_every", Change::free},
    {"comm.", Change::free},
    {"checkpoint.", Change::free},
    {"eval.", Change::free},
    // What stands behind these names is compared, not where it lies.
    {"data.train", Change::free},
    {"data.subset", Change::free},
    {"data.teacher", Change::free},
    {"model.config", Change::free},
    // The length is compared in steps: a longer run is a resumed one.
    {"train.samples", Change::free},
    {"train.epochs", Change::free},
    // What one tries from the middle of a run.
    {"data.decode_size", Change::branch},
    {"strategy.", Change::branch},
    {"optim.ema", Change::free},    // changes no training
    {"optim.name", Change::never},  // its state would mean something else
    {"optim.", Change::branch},
    {"train.precision", Change::branch},
};

std::string shown(const std::string& value) { return value.empty() ? "(empty)" : value; }

std::string texts_of(const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); }

void compare_settings(const std::map<std::string, std::string>& before, const RunIdentity& now, Differences& found) {
  OptionTable plain_table;
  RunConfig plain;
  describe(plain_table, plain);
  const auto defaults = settings_of(plain_table.dump());
  for (const auto& [key, value] : now.settings) {
    const auto old = before.find(key);
    // A key that an older program did not have: it trained as the default does.
    const std::string was = old != before.end() ? old->second : defaults.contains(key) ? defaults.at(key) : "";
    if (was == value) continue;
    const Change change = change_of(key);
    if (change == Change::free) continue;
    (change == Change::branch ? found.branching : found.refused)
        .push_back(fmt::format("{}: {}, now {}", key, shown(was), shown(value)));
  }
}

void compare_content(const Json& before, const RunIdentity& now, Differences& found) {
  for (const auto& [name, value] : now.content.items()) {
    const auto old = before.find(name);
    if (old == before.end() || *old == value) continue;
    const auto line = fmt::format("{}: {}, now {}", name, texts_of(*old), texts_of(value));
    // Another tokenizer gives the embeddings of tokens another meaning.
    (name == "tokenizer" ? found.refused : found.branching).push_back(line);
  }
}

// With the keys of this version. How test images are resized is [eval]'s matter: it trains nothing.
Json trained_model(const Json& model, const char* whose) {
  ModelConfig config = parse_model_config(model, whose);
  config.view.clear();
  return to_json(config);
}

void compare_model(const Json& before, const RunIdentity& now, Differences& found) {
  // A key at its default may be left out: those of either count.
  const Json old = trained_model(before, "the checkpoint's").flatten();
  const Json own = trained_model(now.model, "this run's").flatten();
  Json paths = old;
  paths.update(own);
  for (const auto& [path, value] : paths.items()) {
    const Json was = old.value(path, Json()), is = own.value(path, Json());
    if (was == is) continue;
    found.refused.push_back(fmt::format("model {}: {}, now {}", path, texts_of(was), texts_of(is)));
  }
}

// Of checkpoints that do not keep them: config.cfg, where it is still the one they were written under.
std::map<std::string, std::string> old_settings(const RunFolder& origin, const Json& about) {
  std::error_code none;
  if (!std::filesystem::exists(origin.config_file(), none)) return {};
  const std::string text = read_text_file(origin.config_file());
  if (hash_of_config(text) != about.value("config_hash", "")) return {};
  return settings_of(text);
}

}  // namespace

Change change_of(const std::string& key) {
  for (const Rule& rule : kRules) {
    const std::string prefix = rule.prefix;
    if (key == prefix || (prefix.ends_with('.') && key.starts_with(prefix))) return rule.change;
  }
  return Change::never;
}

std::map<std::string, std::string> settings_of(const std::string& config_text) {
  std::map<std::string, std::string> settings;
  for (const IniLine& line : parse_ini(config_text, "config.cfg")) {
    if (line.key.empty()) continue;
    std::string& value = settings[full_key_of(line)];
    value += value.empty() ? line.value : ", " + line.value;  // a list has a line for each
  }
  return settings;
}

RunIdentity identity_of(const RunConfig& config, const TrainingData& data, const ModelConfig& model,
                        std::int64_t total_steps) {
  OptionTable table;
  RunConfig copy = config;
  describe(table, copy);
  Json sets = Json::array(), tables = Json::array();
  for (std::size_t i = 0; i < data.sets.size(); ++i) {
    sets.push_back(fmt::format("{} samples, checksum {}, weight {}", data.sets[i]->count(), data.sets[i]->checksum(),
                               data.weights[i]));
    tables.push_back(data.sets[i]->tables_checksum());
  }
  Json teachers = Json::array();
  for (const auto& teacher : data.teachers) teachers.push_back(teacher->fingerprint());
  const Json content = {
      {"training sets", sets},
      {"teachers", teachers},
      {"tables of their shards", tables},
      {"subset", data.subset.empty() ? "none"
                                     : fmt::format("{} samples, checksum {}", data.subset.size(),
                                                   hex64(xxh64(std::as_bytes(std::span(data.subset)))))},
      {"tokenizer", "checksum " + hex64(xxh64_of_file(data.sets[0]->folder() / kTokenizerFileName))}};
  return {settings_of(table.dump()), content, to_json(model), total_steps};
}

void write_identity(Json& about, const RunIdentity& identity) {
  about["config"] = identity.settings;
  about["content"] = identity.content;
  about["model"] = identity.model;
  about["total_steps"] = identity.total_steps;
}

Differences differences(const Json& about, const std::map<std::string, std::string>& old_settings,
                        const RunIdentity& now) {
  Differences found;
  const auto before =
      about.contains("config") ? about.at("config").get<std::map<std::string, std::string>>() : old_settings;
  if (!before.empty()) compare_settings(before, now, found);
  if (about.contains("content")) compare_content(about.at("content"), now, found);
  if (about.contains("model")) compare_model(about.at("model"), now, found);
  if (const std::int64_t steps = about.value("total_steps", std::int64_t{0}); steps > 0 && steps != now.total_steps) {
    const auto line = fmt::format("length: {} steps, now {}", steps, now.total_steps);
    (now.total_steps > steps ? found.allowed : found.branching).push_back(line);
  }
  return found;
}

void check_continues(const RunFolder& origin, const std::filesystem::path& checkpoint, const Json& about,
                     const RunIdentity& now, bool begins_branch) {
  const bool has_settings = about.contains("config");
  const auto before = has_settings ? std::map<std::string, std::string>{} : old_settings(origin, about);
  if (!has_settings && before.empty()) {
    log_info("warning: {} is of an older version and does not say what it was trained with", checkpoint.native());
  }
  const Differences found = differences(about, before, now);
  for (const std::string& line : found.allowed) log_info("continuing {} with another {}", checkpoint.native(), line);
  if (begins_branch) {
    for (const std::string& line : found.branching) log_info("branch of {} with another {}", checkpoint.native(), line);
  }
  if (found.refused.empty() && (begins_branch || found.branching.empty())) return;
  std::vector<std::string> lines = found.refused;
  lines.insert(lines.end(), found.branching.begin(), found.branching.end());
  const std::string branch =
      found.refused.empty() ? ", or --branch NAME to start another run from this checkpoint with the new values" : "";
  throw input_error(
      "{} was trained with something else:\n  {}\nGive what it was trained with; or --run-dir DIR for another run, "
      "--resume none to begin anew (the old folder is kept under another name){}",
      origin.path.native(), fmt::join(lines, "\n  "), branch);
}

}  // namespace clip_hpc
