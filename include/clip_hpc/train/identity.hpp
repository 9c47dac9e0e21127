// What a run is: its configuration and what stands behind the names in it. Every checkpoint keeps it; who continues
// from a checkpoint must be the same run, or say that it is a branch.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "clip_hpc/base/json.hpp"
#include "clip_hpc/model/model_file.hpp"
#include "clip_hpc/run/run_folder.hpp"
#include "clip_hpc/train/run_config.hpp"
#include "clip_hpc/train/session.hpp"

namespace clip_hpc {

struct RunIdentity {
  std::map<std::string, std::string> settings;  // every key of the configuration and its value as text
  Json content;                                 // checksums of sets, subset and tokenizer, by what they are
  Json model;
  std::int64_t total_steps = 0;
};
RunIdentity identity_of(const RunConfig& config, const TrainingData& data, const ModelConfig& model,
                        std::int64_t total_steps);

// As it stands in a checkpoint's `about`.
void write_identity(Json& about, const RunIdentity& identity);

// One line for each difference between a checkpoint and the run that wants to continue from it: what it is, its old and
// its new value.
struct Differences {
  std::vector<std::string> refused;    // make it another run
  std::vector<std::string> branching;  // allowed in a branch
  std::vector<std::string> allowed;    // on any resume, but worth a line
};
// `about` of a checkpoint. Of one that was written before identities were kept, `old_settings` are the configuration's
// (empty: not known).
Differences differences(const Json& about, const std::map<std::string, std::string>& old_settings,
                        const RunIdentity& now);

// Throws input, naming what differs and the ways out, when the run that has this identity cannot continue from
// `checkpoint` of `origin`. `begins_branch`: what is allowed in a branch is allowed.
void check_continues(const RunFolder& origin, const std::filesystem::path& checkpoint, const Json& about,
                     const RunIdentity& now, bool begins_branch);

std::map<std::string, std::string> settings_of(const std::string& config_text);

enum class Change { free, branch, never };
Change change_of(const std::string& key);  // what resuming may do with a key of the configuration

}  // namespace clip_hpc
