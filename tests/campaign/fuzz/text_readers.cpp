// JSON, the INI files, tables and tokenizers.
#include <cstdlib>
#include <fstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/data/packed/npy.hpp"
#include "clip_hpc/eval/suite.hpp"
#include "clip_hpc/run/metrics.hpp"
#include "clip_hpc/run/provenance.hpp"
#include "clip_hpc/run/results.hpp"
#include "clip_hpc/study/grid.hpp"
#include "clip_hpc/study/plan.hpp"
#include "clip_hpc/text/tokenizer.hpp"
#include "clip_hpc/text/tokenizer_json.hpp"
#include "clip_hpc/train/run_config.hpp"
#include "tests/campaign/fuzz/reader.hpp"

namespace clip_hpc::fuzz {
namespace {

namespace fs = std::filesystem;

void read_json(std::string_view bytes, const fs::path& scratch) { read_json_file(write(scratch / "a.json", bytes)); }
std::vector<std::string> json_seeds(const fs::path&) {
  return {R"({"a": [1, 2.5e3, -7, null, true], "b": {"c": "\u00fc\ud83d\ude00", "d": []}})", "[[[[[[[[1]]]]]]]]"};
}

// metrics.jsonl, results.json and provenance.json of a run folder that a report is made of.
void read_metrics_file(std::string_view bytes, const fs::path& scratch) {
  const fs::path file = write(scratch / "metrics.jsonl", bytes);
  training_time_s(read_metrics(file));
  read_events(file);
}
std::vector<std::string> metrics_seeds(const fs::path& scratch) {
  const fs::path file = scratch / "metrics.jsonl";
  append_metrics(file, {.step = 1, .samples_seen = 64, .epoch = 0.1, .time_s = 1, .loss = 4});
  append_metrics(file, {.step = 2, .samples_seen = 128, .epoch = 0.2, .time_s = 2, .loss = 3.5});
  append_event(file, {.step = 2, .event = kEvaluationFailed, .text = "no such file"});
  append_metrics(file, {.step = 2, .samples_seen = 128, .epoch = 0.2, .time_s = 3, .loss = 3.5});
  return {read_back(file)};
}
void read_results_file(std::string_view bytes, const fs::path& scratch) {
  read_results(write(scratch / "results.json", bytes));
}
std::vector<std::string> results_seeds(const fs::path& scratch) {
  Result result;
  result.dataset = "letters";
  result.metrics["acc1"] = 0.5;
  result.n = 10;
  result.chance = 0.1;
  result.predictions.push_back({"p/0.png", "a", {"b", "a"}, {0.75, 0.25}});
  append_result(scratch / "results.json", result);
  return {read_back(scratch / "results.json")};
}

void read_config(std::string_view bytes, const fs::path& scratch) {
  RunConfig config;
  OptionTable table;
  describe(table, config);
  table.parse({write(scratch / "a.cfg", bytes)}, {});
}
std::vector<std::string> config_seeds(const fs::path&) {
  RunConfig config;
  OptionTable table;
  describe(table, config);
  return {table.dump(), "[data]\ntrain = a*2\ntrain = \"b # c\"  # two sets\n[train]\nsamples = 1000\nepochs = 0.5\n"};
}

void read_grid_file(std::string_view bytes, const fs::path& scratch) {
  const Grid grid = read_grid(write(scratch / "grid.cfg", bytes));
  make_plan(grid, {});
}
std::vector<std::string> grid_seeds(const fs::path&) {
  return {
      "[study]\nname = a\ntrain_count = 1M\nattempts = 2\n[set]\ndata.train = x\ntrain.samples = 1000\n"
      "[axis size]\nS = study.count=10k train.samples=20000\nM = study.count=100k\n[axis lr]\nlow = optim.lr=1e-4\n"
      "high = optim.lr=1e-3\n[grid one]\nsize = *\nlr = low high\n[class small]\nmax_gpu_hours = 1\nnodes = 1\n[class "
      "large]\nnodes = 2\n",
      read_back(fs::path(std::getenv("CLIP_HPC_SOURCE_DIR")) / "configs/study/small.cfg")};
}

void read_suite_file(std::string_view bytes, const fs::path& scratch) {
  read_suite(write(scratch / "suite.cfg", bytes), scratch, {});
}
std::vector<std::string> suite_seeds(const fs::path&) {
  return {read_back(fs::path(std::getenv("CLIP_HPC_SOURCE_DIR")) / "configs/suites/vtab_plus.cfg"),
          "[suite]\naverage = all: *\nclasses = c.txt\n[one]\npath = a/test\ntask = fewshot\ntrain_data = "
          "a/train\nshots = 5\n"};
}

void read_npy_file(std::string_view bytes, const fs::path& scratch) {
  const fs::path file = write(scratch / "a.npy", bytes);
  floats_of(read_npy(file), file);
}
std::vector<std::string> npy_seeds(const fs::path&) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
  header.resize(117, ' ');
  header += '\n';
  std::string file = std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header;
  file.append(12, '\x3f');
  return {file};
}

void read_tokenizer(std::string_view bytes, const fs::path& scratch) {
  const Tokenizer tokenizer = Tokenizer::parse(std::string(bytes), scratch / "tokenizer.model");
  const std::vector<std::string> captions{"a photo of a cat", "", "\xff\xfe", "Zwölf Boxkämpfer 汉字 😀"};
  for (const TokenBatch batch = tokenizer.encode_batch(captions, 16); const std::string& caption : captions) {
    tokenizer.decode(tokenizer.encode(caption, 16));
    if (batch.ids.size() != captions.size() * 16) throw internal_error("a batch of another size");
  }
  if (!tokenizer.is_clip()) tokenizer_json(bytes, "tokenizer.model");
}
std::vector<std::string> tokenizer_seeds(const fs::path& scratch) {
  const std::vector<std::string> captions{"the letter a", "the letter b in blue",
                                          "a small picture of the number seven"};
  train_sentencepiece(captions, 290, scratch / "tokenizer.model");
  return {read_back(scratch / "tokenizer.model")};
}

constexpr Reader kTextReaders[] = {
    {"json", json_seeds, read_json},
    {"metrics", metrics_seeds, read_metrics_file},
    {"results", results_seeds, read_results_file},
    {"config", config_seeds, read_config},
    {"grid", grid_seeds, read_grid_file},
    {"suite", suite_seeds, read_suite_file},
    {"npy", npy_seeds, read_npy_file},
    {"tokenizer", tokenizer_seeds, read_tokenizer},
};

}  // namespace

std::span<const Reader> text_readers() { return kTextReaders; }

std::vector<Reader> all_readers() {
  std::vector<Reader> all;
  for (const auto& some : {text_readers(), data_readers(), model_readers()})
    all.insert(all.end(), some.begin(), some.end());
  return all;
}

fs::path write(const fs::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

std::string read_back(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw storage_error("{} cannot be read", path.native());
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace clip_hpc::fuzz
