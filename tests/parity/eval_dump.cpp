// What few-shot regression and linear probes compute, for the scripts of this folder to compare with NumPy,
// scikit-learn and CLIP_benchmark.
//   eval_dump features FEATURES SET OUT.safetensors    what clip_hpc eval kept of a packed set in a folder, as x; its
//   labels, y eval_dump fewshot  FOLDER SHOTS SEED L2...            rows that are drawn, and a head for each l2
//   eval_dump heads    FOLDER METHOD VALUE... [-- key=value...]   heads of the members, trained together
//   eval_dump probe    FOLDER METHOD [-- key=value...]     a whole probe: search, last training, trials, seconds
// FOLDER holds data.safetensors: train_x [n, dim] F32, train_y [n] I64; for probe val_x, val_y too. dump.safetensors is
// written there. Doubles are written as two fp32 parts: name and name_rest.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/memory.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/checkpoint/safetensors.hpp"
#include "clip_hpc/config/option_table.hpp"
#include "clip_hpc/data/packed/hdf5_handle.hpp"
#include "clip_hpc/eval/heads/probe.hpp"
#include "clip_hpc/eval/heads/ridge.hpp"

namespace clip_hpc {
namespace {

using Words = std::vector<std::string>;

Samples read_samples(const NamedTensors& data, const std::string& part) {
  Samples samples;
  for (const auto& [name, tensor] : data) {
    if (name == part + "_x") samples.x = tensor;
    if (name == part + "_y") {
      samples.y.assign(tensor.const_data_ptr<std::int64_t>(), tensor.const_data_ptr<std::int64_t>() + tensor.numel());
    }
  }
  if (!samples.x.defined()) samples.x = at::empty({0, data.front().second.size(-1)});
  return samples;
}

std::int64_t classes_of(const Samples& samples) { return *std::ranges::max_element(samples.y) + 1; }

void add(NamedTensors& dump, const std::string& name, const at::Tensor& values) {
  const at::Tensor high = values.to(at::kFloat).contiguous();
  dump.emplace_back(name, high);
  dump.emplace_back(name + "_rest", (values.to(at::kDouble) - high.to(at::kDouble)).to(at::kFloat).contiguous());
}

void dump_features(const std::filesystem::path& folder, const PackedSet& set, const std::filesystem::path& to) {
  std::filesystem::path from;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().native().ends_with(set.checksum() + ".h5")) from = entry.path();
  }
  const Hid file = open_hdf5(from);
  const auto rows = static_cast<std::int64_t>(read_attribute_u64(file, "count", from));
  const at::Tensor x =
      at::empty({rows, static_cast<std::int64_t>(read_attribute_u64(file, "width", from))}, at::kFloat);
  const FileDescriptor bytes = FileDescriptor::open_read(from);
  pread_all(bytes.get(), {static_cast<std::byte*>(x.mutable_data_ptr()), x.nbytes()},
            region_of(file, "features", sizeof(float), from).offset_bytes, from.native());
  write_safetensors(to, {{"x", x}, {"y", at::tensor(set.all_labels("label"), at::kInt).to(at::kLong)}});
}

NamedTensors dump_fewshot(const Samples& train, std::int64_t shots, std::uint64_t seed, const Words& strengths) {
  const std::int64_t classes = classes_of(train);
  const std::vector<std::int64_t> rows = fewshot_rows(train.y, classes, shots, seed);
  std::vector<double> l2;
  for (const std::string& word : strengths) l2.push_back(std::stod(word));
  NamedTensors dump{{"rows", at::tensor(rows, at::kLong)}};
  const std::vector<RidgeHead> heads = fit_ridge(take(train, rows), classes, l2);
  for (std::size_t i = 0; i < heads.size(); ++i) {
    add(dump, fmt::format("weight_{}", i), heads[i].weight);
    add(dump, fmt::format("bias_{}", i), heads[i].bias);
  }
  return dump;
}

ProbeRecipe read_recipe(const std::string& method, const Words& words) {
  ProbeRecipe recipe;
  recipe.method = method;
  std::int64_t seed = 0;
  OptionTable table;
  table.add("probe.epochs", recipe.epochs, "");
  table.add("probe.batch", recipe.batch, "");
  table.add("probe.tolerance", recipe.tolerance, "");
  table.add("probe.max_iterations", recipe.max_iterations, "");
  table.add("probe.seed", seed, "");
  table.parse({}, words);
  recipe.seed = static_cast<std::uint64_t>(seed);
  return recipe;
}

NamedTensors dump_heads(const Samples& train, const ProbeRecipe& recipe, const Words& values) {
  std::vector<double> members;
  for (const std::string& word : values) members.push_back(std::stod(word));
  const Timer timer;
  const ProbeHeads heads = train_heads(recipe, train, classes_of(train), members);
  NamedTensors dump;
  add(dump, "seconds", at::tensor(timer.seconds(), at::kDouble));
  add(dump, "weight", heads.weight);
  add(dump, "bias", heads.bias);
  return dump;
}

NamedTensors dump_probe(const Samples& train, const Samples& validation, const ProbeRecipe& recipe) {
  const auto comm = make_self_communicator();
  const Timer timer;
  const ProbeHead head = fit_probe(*comm, recipe, train, validation, classes_of(train));
  std::vector<double> trials;
  for (const ProbeTrial& trial : head.trials) trials.insert(trials.end(), {trial.value, trial.acc1});
  NamedTensors dump;
  add(dump, "seconds", at::tensor(timer.seconds(), at::kDouble));
  add(dump, "weight", head.weight);
  add(dump, "bias", head.bias);
  add(dump, "value", at::tensor(head.value, at::kDouble));
  add(dump, "trials", at::tensor(trials, at::kDouble).view({-1, 2}));
  return dump;
}

int run(const Words& words) {
  if (words.size() < 3) throw input_error("usage: eval_dump features|fewshot|heads|probe FOLDER ...");
  const std::string& what = words[0];
  if (what == "features" && words.size() == 4) {
    dump_features(words[1], PackedSet{words[2]}, words[3]);
    return kExitDone;
  }
  const std::filesystem::path folder = words[1];
  const NamedTensors data = read_safetensors(folder / "data.safetensors");
  const Samples train = read_samples(data, "train");
  const auto bar = std::find(words.begin(), words.end(), "--");
  const Words values(words.begin() + 3, bar), keys(bar == words.end() ? bar : bar + 1, words.end());
  NamedTensors dump;
  if (what == "fewshot" && values.size() >= 2) {
    dump = dump_fewshot(train, std::stoll(words[2]), std::stoull(values[0]), {values.begin() + 1, values.end()});
  } else if (what == "heads") {
    dump = dump_heads(train, read_recipe(words[2], keys), values);
  } else if (what == "probe") {
    dump = dump_probe(train, read_samples(data, "val"), read_recipe(words[2], keys));
  } else {
    throw input_error("eval_dump: wrong words after {}", what);
  }
  write_safetensors(folder / "dump.safetensors", dump);
  return kExitDone;
}

}  // namespace
}  // namespace clip_hpc

int main(int count, char** words) {
  clip_hpc::keep_freed_memory();  // as clip_hpc eval
  try {
    return clip_hpc::run({words + 1, words + count});
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "eval_dump: %s\n", problem.what());
    return clip_hpc::kExitInput;
  }
}
