#include <fmt/ranges.h>

#include <algorithm>
#include <list>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/packed/packed_home.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/sources/source.hpp"
#include "clip_hpc/data/targets/target.hpp"
#include "clip_hpc/text/lower_case.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "commands/packing/pack_set.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples = R"(
Writes shard_*.h5 and dataset.json to OUTPUT, or to OUTPUT/<split> where a source has splits. Ranks share the work; the
bytes do not depend on their number. Without --from, --train-tokenizer, --tokenizer and --verify work on a set that is
packed already.

Examples:
  mpirun -np 16 clip_hpc pack --from webdataset --input /data/cc12m --size 256 --output data/packed/cc12m --train-tokenizer 32000
  clip_hpc pack --from glyphs --output data/packed/glyphs --train-tokenizer 1000
  mpirun -np 4 clip_hpc pack --from emoji --output data/packed/emoji --train-tokenizer 4000
  clip_hpc pack --output data/packed/cc3m --tokenizer data/packed/cc12m/tokenizer.model
  mpirun -np 16 clip_hpc pack --output data/packed/cc12m --verify
  mpirun -np 4 clip_hpc pack --from clip_benchmark --input /data/wds_imagenet1k --output data/packed/imagenet1k
  clip_hpc pack --to clip_benchmark --input data/packed/glyphs/test_letters --output exported/wds_letters
  clip_hpc pack --to clip_benchmark --input data/packed/emoji/test --type retrieval --output exported/wds_emoji_captions
)";

constexpr std::uint64_t kTokenizerSamples = 2'000'000;  // that a tokenizer is trained on, at most

// --- options ---------------------------------------------------------------------------------------------------------

struct PackWords {
  std::string from, to, output, tokenizer;
  std::int64_t vocabulary = 0;
  bool verify = false, lower_case = false;
  PackHow how;
  bool wants_tokenizer() const { return vocabulary > 0 || !tokenizer.empty(); }
};

// The options of one row of a table, and what opens it.
template <class Open>
struct Group {
  std::string label;  // --from glyphs
  std::string help;
  ArgumentTable words;
  Open open;
};

template <class Kind>
auto declare_groups(const char* option, std::span<const Kind> kinds) {
  using Open = decltype(kinds.front().declare(std::declval<ArgumentTable&>()));
  std::list<Group<Open>> groups;
  for (const Kind& kind : kinds) {
    const std::string label = fmt::format("{} {}", option, kind.name);
    Group<Open>& group = groups.emplace_back(label, kind.help, ArgumentTable("Options of " + label), Open{});
    group.open = kind.declare(group.words);
  }
  return groups;
}

template <class Kind>
Check<std::string> one_of_names(std::span<const Kind> kinds) {
  std::vector<std::string> names;
  for (const Kind& kind : kinds) names.emplace_back(kind.name);
  return one_of(std::move(names));
}

void declare_common(ArgumentTable& table, PackWords& words) {
  table.add("from", words.from, "what to pack", one_of_names(source_kinds()));
  table.add("to", words.to, "what to make out of a packed set", one_of_names(target_kinds()));
  table.add("output", words.output, "folder of the packed set, or of its splits");
  table.add("train-tokenizer", words.vocabulary,
            "train a SentencePiece model of at most so many pieces on the training captions; 0: none",
            in_range(std::int64_t{0}, std::int64_t{1} << 20));
  table.add("tokenizer", words.tokenizer, "a tokenizer to use as it is: a SentencePiece model, or clip");
  table.add("lower-case", words.lower_case,
            "tokenizer: put captions into lower case before it, as big_vision for T5's");
  table.add("verify", words.verify, "compare every shard with its checksum");
  table.add("keep-going", words.how.keep_going,
            "make a set of what can be read where input files are broken; default: name them all and make no set. The "
            "exit code is 3 in both");
  table.add("strict", words.how.strict,
            "make no set where anything is warned of: tar files that are cut off, uids twice, …");
}

struct PackTables {
  std::list<Group<OpenSource>> sources = declare_groups("--from", source_kinds());
  std::list<Group<OpenTarget>> targets = declare_groups("--to", target_kinds());
  std::vector<std::string> export_input;

  PackTables() {
    for (auto& group : targets) group.words.add("input", export_input, "the packed set");
  }

  template <class Do>
  void each(const Do& take) const {
    for (const auto& group : sources) take(group.label, group.help, group.words);
    for (const auto& group : targets) take(group.label, group.help, group.words);
  }
  std::string help() const {
    std::string usage = "clip_hpc pack: images and captions into HDF5 shards\n\n";
    each([&](const std::string& label, const std::string& help, const ArgumentTable&) {
      usage += fmt::format("  {:<22} {}\n", label, help);
    });
    PackWords defaults;
    ArgumentTable common;
    declare_common(common, defaults);
    each([&](const std::string&, const std::string&, const ArgumentTable& group) { common.add_group(group); });
    return common.help(usage + kExamples);
  }
};

// The value of an option before all options are known: which ones there are depends on it.
std::string early_value(std::span<const std::string> arguments, const std::string& option) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].starts_with(option + "=")) return arguments[i].substr(option.size() + 1);
    if (arguments[i] == option && i + 1 < arguments.size()) return arguments[i + 1];
  }
  return "";
}

// The row that --from or --to names, if any.
struct Choice {
  std::string label;
  const Group<OpenSource>* source = nullptr;
  const Group<OpenTarget>* target = nullptr;
};

Choice choose(const PackTables& tables, std::span<const std::string> arguments) {
  const std::string from = early_value(arguments, "--from"), to = early_value(arguments, "--to");
  if (!from.empty()) one_of_names(source_kinds())("--from", from);
  if (!to.empty()) one_of_names(target_kinds())("--to", to);
  Choice choice{!to.empty() ? "--to " + to : "--from " + from};
  for (const auto& group : tables.sources) {
    if (group.label == choice.label) choice.source = &group;
  }
  for (const auto& group : tables.targets) {
    if (group.label == choice.label) choice.target = &group;
  }
  return choice;
}

// An option that another row has is no unknown one: the message says whose it is.
void refuse_foreign(std::span<const std::string> arguments, const std::vector<std::string>& known,
                    const PackTables& tables, const std::string& chosen) {
  for (const std::string& argument : arguments) {
    if (!argument.starts_with("--")) continue;
    const std::string name = argument.substr(2, argument.find('=') - 2);
    if (std::ranges::find(known, name) != known.end()) continue;
    std::vector<std::string> owners;
    std::string about;
    tables.each([&](const std::string& label, const std::string& help, const ArgumentTable& group) {
      const std::vector<std::string> names = group.names();
      if (std::ranges::find(names, name) != names.end()) owners.push_back(label);
      if (label == chosen) about = fmt::format("{} ({})", label, help);
    });
    if (owners.empty()) continue;
    throw input_error("--{} is an option of {}{}", name, fmt::join(owners, ", "),
                      about.empty() ? "; give --from or --to" : ", not of " + about);
  }
}

// Wrong words about the tokenizer are better heard before the packing than after it.
void check_tokenizer(PackWords& words) {
  if (words.vocabulary > 0 && words.vocabulary <= kFixedPieces) {
    throw input_error("--train-tokenizer must be larger than {} (special and byte pieces), got {}", kFixedPieces,
                      words.vocabulary);
  }
  if (words.vocabulary > 0 && !words.tokenizer.empty()) throw input_error("give --train-tokenizer or --tokenizer");
  if (words.lower_case && words.tokenizer.empty()) throw input_error("--lower-case goes with --tokenizer");
  if (words.tokenizer.empty()) return;
  words.tokenizer = tokenizer_path(words.tokenizer);
  Tokenizer::load(words.tokenizer);
}

// --- work ------------------------------------------------------------------------------------------------------------

// The tokenizer of a set, trained on its captions or given. Returns what was done; empty when nothing was asked for.
std::string give_tokenizer(const PackWords& words, const fs::path& folder) {
  const fs::path file = folder / kTokenizerFileName;
  if (!words.tokenizer.empty()) {
    const int pieces = Tokenizer::load(words.tokenizer).vocab_size();
    write_file_atomic(file, given_tokenizer(words.tokenizer, words.lower_case));
    return fmt::format("{}: {} pieces, from {}", file.native(), pieces, words.tokenizer);
  }
  if (words.vocabulary == 0) return "";
  const PackedSet set(folder);
  set.require_captions("a tokenizer");
  const std::uint64_t stride = (set.count() + kTokenizerSamples - 1) / kTokenizerSamples;  // more teach it nothing new
  std::vector<std::string> captions;
  for (std::uint64_t i = 0; i < set.count(); i += stride) captions.push_back(set.captions(i));
  train_sentencepiece(captions, static_cast<int>(words.vocabulary), file);
  return fmt::format("{}: {} pieces", file.native(), Tokenizer::load(file).vocab_size());
}

// What each set of the source has to be done at the end, each on the next rank.
void finish_sets(World& world, const PackWords& words, const OpenedSource& opened) {
  const fs::path output = words.output;
  std::vector<std::string> done;
  together(world, [&] {
    for (std::size_t i = 0; i < opened.sets.size(); ++i) {
      if (static_cast<int>(i) % world.size() != world.rank()) continue;
      const SourceSet& set = opened.sets[i];
      if (opened.built_in && set.folder == "train") done.push_back(give_tokenizer(words, output / "train"));
      if (!set.finish) continue;
      for (std::string& line : set.finish(output)) done.push_back(std::move(line));
    }
  });
  for (const std::string& lines : world.gather_strings(fmt::format("{}", fmt::join(done, "\n")))) {
    if (!lines.empty()) log_info("{}", lines);
  }
  world.barrier();
}

void verify_sets(World& world, const fs::path& output, const std::vector<fs::path>& sets) {
  std::vector<std::string> problems;
  std::size_t shards = 0;
  for (const fs::path& folder : sets) {
    const PackedSet set(folder);
    shards += set.info().shards.size();
    for (std::string& one : set.verify(world.rank(), world.size())) problems.push_back(std::move(one));
  }
  const std::vector<std::string> all = world.all_gather_strings(fmt::format("{}", fmt::join(problems, "\n")));
  std::string bad;
  for (const std::string& one : all) bad += one.empty() ? "" : one + "\n";
  if (!bad.empty()) throw storage_error("damaged shards; copy them again or repack:\n{}", bad);
  log_info("{}: {} shards match their checksums", output.native(), shards);
}

// A set that is packed already, or the splits of one.
int work_on_packed(World& world, const PackWords& words) {
  const fs::path output = packed_path(words.output);
  std::vector<fs::path> sets;
  if (fs::exists(output / "dataset.json")) sets.push_back(output);
  if (sets.empty() && fs::is_directory(output)) {
    for (const auto& entry : fs::directory_iterator(output)) {
      if (fs::exists(entry.path() / "dataset.json")) sets.push_back(entry.path());
    }
    std::ranges::sort(sets);
  }
  if (sets.empty()) {
    throw input_error("{} holds no packed set: give --from to make one{}", output.native(), packed_hint(output));
  }
  if (words.verify) verify_sets(world, output, sets);
  if (!words.wants_tokenizer()) return kExitDone;
  const fs::path train = sets.size() == 1 ? sets.front() : output / "train";
  together(world, [&] {
    if (world.rank() == 0) log_info("{}", give_tokenizer(words, train));
  });
  return kExitDone;
}

int pack_source(World& world, PackWords words, const OpenSource& open) {
  const OpenedSource opened = open();  // what is wrong with one set is better heard before the others are packed
  if (world.rank() == 0) {
    for (const std::string& warning : opened.warnings) log_warn("{}", warning);
  }
  const fs::path output = words.output;
  if (const fs::path of_input = opened.made_of / kTokenizerFileName;
      !opened.made_of.empty() && !words.wants_tokenizer() && fs::exists(of_input)) {
    words.tokenizer = of_input.native();
  }
  const fs::path tokenizer = (opened.built_in ? output / "train" : output) / kTokenizerFileName;
  const std::vector<bool> done =
      sets_packed_before(world, opened, output, words.wants_tokenizer() ? tokenizer : fs::path());
  std::vector<std::string> broken;
  for (std::size_t i = 0; i < opened.sets.size(); ++i) {
    const SourceSet& set = opened.sets[i];
    const fs::path folder = set.folder.empty() ? output : output / set.folder;
    if (done[i]) {
      if (world.rank() == 0) {
        log_info("{} was packed by an earlier try: going on from there", folder.native());
        forget_all_parts(set.source, folder);  // it may have been stopped before it did
      }
    } else if (std::string problem = pack_set(world, set.source, folder, words.how, output / kUnfinishedPack);
               !problem.empty()) {
      broken.push_back(std::move(problem));
    }
  }
  finish_sets(world, words, opened);
  if (opened.built_in) {  // its tokenizer is there
    words.vocabulary = 0;
    words.tokenizer.clear();
  }
  if (words.verify || words.wants_tokenizer()) work_on_packed(world, words);
  together(world, [&] {
    if (world.rank() == 0) fs::remove(output / kUnfinishedPack);
  });
  if (!broken.empty()) throw storage_error("{}", fmt::join(broken, "\n"));
  return kExitDone;
}

int export_set(World& world, const PackWords& words, const PackTables& tables, const OpenTarget& open) {
  if (tables.export_input.size() != 1) {
    throw input_error("clip_hpc pack --to {} needs --input with one packed set", words.to);
  }
  const Timer timer;
  const PackedSet set(tables.export_input.front());
  const PackTarget target = open(set, words.output);
  if (world.rank() == 0) target.prepare();
  world.barrier();
  const std::size_t shards = set.info().shards.size();
  for (auto shard = static_cast<std::size_t>(world.rank()); shard < shards;
       shard += static_cast<std::size_t>(world.size())) {
    target.write_shard(shard);
  }
  world.barrier();
  if (world.rank() == 0) {
    target.finish();
    log_info("{}: {} samples in {} tar files, {:.0f} samples/s", target.folder.native(), set.count(), shards,
             static_cast<double>(set.count()) / timer.seconds());
  }
  return kExitDone;
}

}  // namespace

int command_pack(World& world, std::span<const std::string> arguments) {
  PackWords words;
  PackTables tables;
  ArgumentTable table;
  declare_common(table, words);
  const Choice choice = choose(tables, arguments);
  if (choice.source != nullptr) table.add_group(choice.source->words);
  if (choice.target != nullptr) table.add_group(choice.target->words);
  refuse_foreign(arguments, table.names(), tables, choice.label);
  if (!table.parse(arguments)) {
    if (world.rank() == 0) fmt::print("{}", tables.help());
    return kExitDone;
  }
  if (choice.target != nullptr) {
    if (!words.from.empty() || words.verify || words.wants_tokenizer()) {
      throw input_error("--to goes alone: --from, --verify and the tokenizer are for packing");
    }
    if (words.output.empty()) throw input_error("clip_hpc pack --to needs --output");
    return export_set(world, words, tables, choice.target->open);
  }
  if (words.output.empty() || (choice.source == nullptr && !words.verify && !words.wants_tokenizer())) {
    throw input_error("clip_hpc pack needs --from (or --to) and --output");
  }
  check_tokenizer(words);
  return choice.source == nullptr ? work_on_packed(world, words) : pack_source(world, words, choice.source->open);
}

}  // namespace clip_hpc
