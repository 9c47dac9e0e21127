#include "clip_hpc/data/packed/pack.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/commands.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/sources/built_in/embedded_emoji.hpp"
#include "clip_hpc/data/sources/built_in/embedded_glyphs.hpp"
#include "clip_hpc/data/sources/clip_benchmark.hpp"
#include "clip_hpc/data/sources/webdataset.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "commands/read_arguments.hpp"

namespace po = boost::program_options;

namespace clip_hpc {
namespace {

constexpr const char* kUsage = R"(clip_hpc pack: pictures and captions into HDF5 shards

  --from webdataset      tar files of pictures and captions, as img2dataset writes them; a tar becomes a shard
  --from clip_benchmark  a folder of CLIP_benchmark's: test/0.tar …, classnames.txt, templates; several captions a picture
  --from glyphs          letters of the installed fonts and their Unicode names, with letters, pairs and faces held out
  --from emoji           colour emoji with names and keywords, with emoji held out
  --to clip_benchmark    the way back: a packed set as a folder that CLIP_benchmark evaluates; a shard becomes a tar

Writes shard_*.h5 and dataset.json to OUTPUT (webdataset), or to OUTPUT/<split>. Ranks share the work; the bytes do not
depend on their number. Without --from, --train-tokenizer, --tokenizer and --verify work on a set that is packed already.

Examples:
  mpirun -np 16 clip_hpc pack --from webdataset --input /data/cc12m --size 256 --output packed/cc12m --train-tokenizer 32000
  clip_hpc pack --from glyphs --output packed/glyphs --train-tokenizer 1000
  mpirun -np 4 clip_hpc pack --from emoji --output packed/emoji --train-tokenizer 4000
  clip_hpc pack --output packed/cc3m --tokenizer packed/cc12m/tokenizer.model
  mpirun -np 16 clip_hpc pack --output packed/cc12m --verify
  mpirun -np 4 clip_hpc pack --from clip_benchmark --input /data/wds_imagenet1k --output /data/packed/imagenet1k
  clip_hpc pack --to clip_benchmark --input packed/glyphs/test_letters --output exported/wds_letters
  clip_hpc pack --to clip_benchmark --input packed/emoji/test --type retrieval --output exported/wds_emoji_captions
)";

constexpr std::uint64_t kTokenizerSamples = 2'000'000;  // that a tokenizer is trained on, at most

struct PackWords {
  std::string from, to, output, tokenizer, split, type = "auto", label = "label";
  std::vector<std::string> input;
  std::string faces = "core", scripts = "latin,greek,cyrillic", cldr;
  std::int64_t size = 0, seed = 0, samples_per_shard = 0, vocabulary = 0;
  bool verify = false;
};

std::vector<EmbeddedSplit> open_splits(const PackWords& words) {
  if (words.from == "glyphs") {
    GlyphOptions options;
    options.faces = words.faces;
    options.scripts = words.scripts;
    options.seed = static_cast<std::uint64_t>(words.seed);
    if (words.size > 0) options.size = static_cast<int>(words.size);
    return open_glyphs(options);
  }
  EmojiOptions options;
  options.seed = static_cast<std::uint64_t>(words.seed);
  if (words.size > 0) options.size = static_cast<int>(words.size);
  if (!words.cldr.empty()) {
    options.cldr_dir = words.cldr;
  } else if (!std::filesystem::exists(options.cldr_dir) && std::filesystem::exists(".deps/cldr")) {
    options.cldr_dir = ".deps/cldr";  // where jobs/setup.sh puts the two files that are needed
  }
  return open_emoji(options);
}

// Parts go round the ranks; rank 0 hears of all and writes what makes the set complete.
void pack_set(World& world, const PackSource& source, const std::filesystem::path& folder) {
  const Timer timer;
  if (world.rank() == 0) prepare_set_folder(folder);
  world.barrier();
  Json mine = Json::array();
  for (auto part = static_cast<std::uint64_t>(world.rank()); part < source.parts;
       part += static_cast<std::uint64_t>(world.size())) {
    mine.push_back(to_json(pack_part(source, part, folder)));
  }
  std::vector<PackedPart> parts;
  for (const std::string& text : world.gather_strings(mine.dump())) {
    for (const Json& json : Json::parse(text)) parts.push_back(packed_part_from(json));
  }
  if (world.rank() == 0) {
    std::uint64_t skipped = 0;
    for (const PackedPart& part : parts) {
      skipped += part.skipped;
      for (const std::string& reason : part.reasons) log_warn("skipped {}", reason);
    }
    const DatasetInfo info = finish_set(source, parts, folder);
    log_info("{}: {} samples in {} shards, {:.0f} samples/s{}", folder.native(), info.count, info.shards.size(),
             static_cast<double>(info.count) / timer.seconds(),
             skipped > 0 ? fmt::format(", {} skipped", skipped) : "");
  }
  world.barrier();
}

// The tokenizer of a set, trained on its captions or given. Returns what was done; empty when nothing was asked for.
std::string give_tokenizer(const PackWords& words, const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / kTokenizerFileName;
  if (!words.tokenizer.empty()) {
    const int pieces = Tokenizer::load(words.tokenizer).vocab_size();
    write_file_atomic(file, read_text_file(words.tokenizer));
    return fmt::format("{}: {} pieces, from {}", file.native(), pieces, words.tokenizer);
  }
  if (words.vocabulary == 0) return "";
  const PackedSet set(folder);
  const std::uint64_t stride = (set.count() + kTokenizerSamples - 1) / kTokenizerSamples;  // more teach it nothing new
  std::vector<std::string> captions;
  for (std::uint64_t i = 0; i < set.count(); i += stride) captions.push_back(set.captions(i));
  train_sentencepiece(captions, static_cast<int>(words.vocabulary), file);
  return fmt::format("{}: {} pieces", file.native(), Tokenizer::load(file).vocab_size());
}

// A set that is packed already, or the splits of one.
int work_on_packed(World& world, const PackWords& words) {
  const std::filesystem::path output = words.output;
  std::vector<std::filesystem::path> sets;
  if (std::filesystem::exists(output / "dataset.json")) sets.push_back(output);
  if (sets.empty() && std::filesystem::is_directory(output)) {
    for (const auto& entry : std::filesystem::directory_iterator(output)) {
      if (std::filesystem::exists(entry.path() / "dataset.json")) sets.push_back(entry.path());
    }
    std::ranges::sort(sets);
  }
  if (sets.empty()) throw input_error("{} holds no packed set: give --from to make one", output.native());
  if (words.verify) {
    std::vector<std::string> problems;
    std::size_t shards = 0;
    for (const std::filesystem::path& folder : sets) {
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
  if (words.tokenizer.empty() && words.vocabulary == 0) return kExitDone;
  const std::filesystem::path train = sets.size() == 1 ? sets.front() : output / "train";
  if (world.rank() == 0) log_info("{}", give_tokenizer(words, train));
  world.barrier();
  return kExitDone;
}

// CLIP_benchmark's folder of one packed set.
int export_set(World& world, const PackWords& words) {
  if (!words.from.empty() || words.verify || words.vocabulary > 0 || !words.tokenizer.empty()) {
    throw input_error("--to goes alone: --from, --verify and the tokenizer are for packing");
  }
  if (words.input.size() != 1) throw input_error("clip_hpc pack --to clip_benchmark needs --input with one packed set");
  const Timer timer;
  const PackedSet set(words.input.front());
  ClipBenchmarkTarget target{words.output, words.split.empty() ? "test" : words.split, words.type == "retrieval",
                             words.label};
  if (words.type == "auto") target.retrieval = set.info().label_names.empty();
  if (world.rank() == 0) prepare_clip_benchmark(set, target);
  world.barrier();
  for (auto shard = static_cast<std::size_t>(world.rank()); shard < set.info().shards.size();
       shard += static_cast<std::size_t>(world.size())) {
    write_clip_benchmark_tar(set, target, shard);
  }
  world.barrier();
  if (world.rank() == 0) {
    finish_clip_benchmark(set, target);
    log_info("{}: {} samples in {} tar files, {:.0f} samples/s", (target.folder / target.split).native(), set.count(),
             set.info().shards.size(), static_cast<double>(set.count()) / timer.seconds());
  }
  return kExitDone;
}

}  // namespace

int command_pack(World& world, std::span<const std::string> arguments) {
  PackWords words;
  po::options_description options("Options");
  options.add_options()("from", po::value(&words.from), "webdataset, clip_benchmark, glyphs or emoji")(
      "to", po::value(&words.to), "clip_benchmark")("input", po::value(&words.input)->multitoken(),
                                                    "webdataset: tar files, or folders of them; clip_benchmark: the "
                                                    "folder above test/; --to: a packed set")(
      "output", po::value(&words.output), "folder of the packed set, or of its splits")(
      "train-tokenizer", po::value(&words.vocabulary)->default_value(0),
      "train a SentencePiece model of at most so many pieces on the training captions; 0: none")(
      "size", po::value(&words.size)->default_value(0),
      "pixels a side; 0: 32 for glyphs, 48 for emoji; webdataset: short side to scale larger pictures to, 0: as they "
      "are")("faces", po::value(&words.faces)->default_value(words.faces),
             "glyphs: core (36), small (14) or all (about 290)")(
      "scripts", po::value(&words.scripts)->default_value(words.scripts),
      "glyphs: first words of Unicode names, or all")("cldr", po::value(&words.cldr),
                                                      "emoji: folder of CLDR annotations")(
      "samples-per-shard", po::value(&words.samples_per_shard)->default_value(0),
      "glyphs, emoji: 0 means 4096; webdataset: a tar becomes a shard")(
      "split", po::value(&words.split), "clip_benchmark: this split alone [from: all, to: test]")(
      "type", po::value(&words.type)->default_value(words.type),
      "--to clip_benchmark: classification, retrieval, or auto: classification of a set with labels")(
      "label", po::value(&words.label)->default_value(words.label), "--to clip_benchmark: label or label_<name>")(
      "seed", po::value(&words.seed)->default_value(0), "glyphs, emoji: order of the samples")(
      "tokenizer", po::value(&words.tokenizer), "a tokenizer to use as it is: a SentencePiece model, or clip")(
      "verify", po::bool_switch(&words.verify), "compare every shard with its checksum");
  if (!read_words(arguments, options, kUsage, world.rank() == 0)) return kExitDone;
  one_of({"auto", "classification", "retrieval"})("--type", words.type);
  if (!words.to.empty()) {
    one_of({"clip_benchmark"})("--to", words.to);
    if (words.output.empty()) throw input_error("clip_hpc pack --to needs --output");
    return export_set(world, words);
  }
  const bool on_packed = words.from.empty() && (words.verify || words.vocabulary > 0 || !words.tokenizer.empty());
  if (words.output.empty() || (words.from.empty() && !on_packed)) {
    throw input_error("clip_hpc pack needs --from (or --to) and --output");
  }
  if (!on_packed) one_of({"webdataset", "clip_benchmark", "glyphs", "emoji"})("--from", words.from);
  one_of({"core", "small", "all"})("--faces", words.faces);
  in_range(std::int64_t{0}, std::int64_t{1} << 20)("--samples-per-shard", words.samples_per_shard);
  in_range(std::int64_t{0}, std::int64_t{4096})("--size", words.size);
  in_range(std::int64_t{0}, std::int64_t{1} << 20)("--train-tokenizer", words.vocabulary);
  // Wrong words about the tokenizer are better heard before the packing than after it.
  if (words.vocabulary > 0 && words.vocabulary <= kFixedPieces) {
    throw input_error("--train-tokenizer must be larger than {} (special and byte pieces), got {}", kFixedPieces,
                      words.vocabulary);
  }
  if (words.vocabulary > 0 && !words.tokenizer.empty()) throw input_error("give --train-tokenizer or --tokenizer");
  if (!words.tokenizer.empty()) words.tokenizer = tokenizer_path(words.tokenizer);
  if (!words.tokenizer.empty()) Tokenizer::load(words.tokenizer);
  if (on_packed) return work_on_packed(world, words);

  const std::filesystem::path output = words.output;
  if (words.from == "webdataset") {
    if (words.input.empty()) throw input_error("clip_hpc pack --from webdataset needs --input");
    WebDatasetOptions options_of_input;
    options_of_input.inputs.assign(words.input.begin(), words.input.end());
    options_of_input.size = static_cast<int>(words.size);
    if (words.samples_per_shard != 0 || words.seed != 0) {
      throw input_error(
          "--samples-per-shard and --seed are for glyphs and emoji: with webdataset a tar becomes a shard, in its "
          "order "
          "(training shuffles)");
    }
    pack_set(world, open_webdataset(options_of_input), output);
    if (words.verify || words.vocabulary > 0 || !words.tokenizer.empty()) return work_on_packed(world, words);
    return kExitDone;
  }

  if (words.from == "clip_benchmark") {
    if (words.input.size() != 1) throw input_error("clip_hpc pack --from clip_benchmark needs --input with one folder");
    if (words.samples_per_shard != 0 || words.seed != 0 || words.size != 0) {
      throw input_error("--size, --samples-per-shard and --seed are not for clip_benchmark: a test set stays as it is");
    }
    const std::vector<std::string> splits =
        words.split.empty() ? clip_benchmark_splits(words.input.front()) : std::vector<std::string>{words.split};
    std::vector<PackSource> sources;  // what is wrong with one is better heard before the others are packed
    for (const std::string& split : splits) sources.push_back(open_clip_benchmark(words.input.front(), split));
    for (std::size_t i = 0; i < splits.size(); ++i) pack_set(world, sources[i], output / splits[i]);
    if (words.verify || words.vocabulary > 0 || !words.tokenizer.empty()) return work_on_packed(world, words);
    return kExitDone;
  }
  if (words.samples_per_shard == 0) words.samples_per_shard = 4096;
  const std::vector<EmbeddedSplit> splits = open_splits(words);
  if (world.rank() == 0) {
    for (const std::string& warning : splits.front().warnings) log_warn("{}", warning);
  }
  for (const EmbeddedSplit& split : splits) {
    pack_set(world, source_of(split, static_cast<std::uint64_t>(words.samples_per_shard)), output / split.name);
  }
  // What only one rank can do, each on the next rank: the tokenizer and the baselines of the test sets.
  std::vector<std::string> done;
  for (std::size_t i = 0; i < splits.size(); ++i) {
    if (static_cast<int>(i) % world.size() != world.rank()) continue;
    if (splits[i].name == "train") {
      done.push_back(give_tokenizer(words, output / "train"));
    } else {
      const Json baselines = write_pixel_baseline(output / "train", output / splits[i].name);
      for (const auto& [label, entry] : baselines.items()) {
        done.push_back(fmt::format("{} by {}: {} {:.1f} %", splits[i].name, label, entry.at("name").get<std::string>(),
                                   100 * entry.at("acc1").get<double>()));
      }
    }
  }
  for (const std::string& lines : world.gather_strings(fmt::format("{}", fmt::join(done, "\n")))) {
    if (!lines.empty()) log_info("{}", lines);
  }
  world.barrier();
  if (!words.verify) return kExitDone;
  words.vocabulary = 0;  // it is there
  words.tokenizer.clear();
  return work_on_packed(world, words);
}

}  // namespace clip_hpc
