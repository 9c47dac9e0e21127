// Writes what the suite computes, for the scripts of this folder to compare with open_clip and torch.
//   parity_dump model MODEL.json FOLDER [key=value]...   weights, inputs, features, loss and all gradients of one step
//   parity_dump train MODEL.json FOLDER STEPS     batches, losses and the weights at both ends of a short training
//   parity_dump init  MODEL.json FOLDER SCHEME SEED      initial weights
//   parity_dump start MODEL.json FOLDER WEIGHTS          what a training begins with under model.init = WEIGHTS
//   parity_dump optimizer MODEL.json FOLDER PRECISION STEPS [section.key=value]...   gradients and the weights they
//   lead to
// FOLDER gets model.safetensors (as a checkpoint holds it) and dump.safetensors (the rest).
#include <cstdio>
#include <numeric>
#include <span>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/checkpoint/safetensors.hpp"
#include "clip_hpc/checkpoint/start_weights.hpp"
#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/loss/terms/term.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/optim/gradient_norm.hpp"
#include "clip_hpc/optim/schedule.hpp"
#include "clip_hpc/optim/updater.hpp"
#include "clip_hpc/strategy/branch_draw.hpp"
#include "clip_hpc/strategy/strategy.hpp"
#include "clip_hpc/train/session.hpp"

namespace clip_hpc {
namespace {

at::ScalarType type_of(const std::string& precision) {
  one_of({"fp64", "fp32", "bf16"})("precision", precision);
  return precision == "fp64" ? at::kDouble : precision == "bf16" ? at::kBFloat16 : at::kFloat;
}

// Biases and norms start as constants: a little noise makes every parameter matter.
void disturb(ClipModel& model) {
  for (std::size_t i = 0; i < model.arena().specs().size(); ++i) {
    if (i == model.logit_scale_index()) continue;
    const at::Tensor values = model.arena().master_view(i);
    values.add_(at::randn_like(values), 0.05);
  }
  for (std::size_t i = 0; i < model.arena().buffer_specs().size(); ++i) {
    const at::Tensor values = model.arena().buffer(i);
    values.add_(at::rand_like(values), 0.3);
  }
  model.arena().refresh_weights();
}

// Random ids with the end token where `pool_type` looks for it, at another place in every row, and zeros after it.
at::Tensor random_ids(const TextTower& text, std::int64_t batch, std::int64_t tokens) {
  at::Tensor ids = at::randint(3, text.vocab_size() - 1, {batch, tokens}, at::kLong);
  const std::int64_t end = text.end_token();
  for (std::int64_t row = 0; row < batch; ++row) {
    const std::int64_t at = 1 + (row * 5 + 2) % (tokens - 1);
    ids.select(0, row).slice(0, at + 1).zero_();
    ids[row][at] = end;
    if (row == 0 && at + 1 < tokens) ids[row][at + 1] = end;  // the first of two counts
  }
  return ids;
}

int dump_model(const ModelConfig& config, const std::filesystem::path& folder, std::span<char*> words) {
  std::int64_t batch = 6, tokens = ClipModel(config).text().context();
  double mask_ratio = 0;
  std::string precision = "fp32";
  bool training = true, depth = false, distill = false;
  OptionTable table;
  table.add("dump.training", training, "");
  table.add("dump.depth", depth, "");
  table.add("dump.distill", distill, "");
  table.add("dump.batch", batch, "");
  table.add("dump.tokens", tokens, "");
  table.add("dump.mask_ratio", mask_ratio, "");
  table.add("dump.precision", precision, "");
  table.parse({}, {words.begin(), words.end()});

  const at::ScalarType compute = type_of(precision);
  at::manual_seed(1);
  ClipModel model(config, compute);
  model.initialise("open_clip", 7);
  disturb(model);
  write_safetensors(folder / "model.safetensors", named_weights(model), {{"format", "pt"}});
  const std::int64_t size = model.image().image_size();
  const at::Tensor bytes = at::randint(0, 256, {batch, 3, size, size}, at::kByte);
  const at::Tensor ids = random_ids(model.text(), batch, tokens);
  NamedTensors dump{{"ids", ids}, {"bytes", bytes.to(at::kLong)}};

  std::optional<at::Tensor> kept;
  if (mask_ratio > 0) {
    const Strategy strategy = make_strategy({.name = "flip", .mask_ratio = mask_ratio, .augmentation = "none"});
    std::vector<std::uint64_t> rows(static_cast<std::size_t>(batch));
    std::iota(rows.begin(), rows.end(), std::uint64_t{0});
    kept =
        draw_kept_patches(3, rows, model.image().patches(), strategy.phases[0].kept_patches(model.image().patches()));
    dump.emplace_back("kept", *kept);
  }
  const at::Tensor pixels = normalise_pixels(bytes, config.norm, compute);
  at::Tensor branch_scales;
  if (depth) {
    std::vector<std::uint64_t> rows(static_cast<std::size_t>(batch));
    std::iota(rows.begin(), rows.end(), std::uint64_t{0});
    branch_scales = draw_branch_scales(11, rows, model.image().drop_rates());
    dump.emplace_back("branch_scales", branch_scales);
  }
  const at::Tensor image = model.encode_image(pixels, kept, training, branch_scales);
  const at::Tensor text = model.encode_text(ids, training);
  const auto comm = make_self_communicator();
  const at::Tensor image_unit = normalise_features(image), text_unit = normalise_features(text);
  std::vector<WeightedTerm> terms{{&loss_term("softmax"), 1.0}};
  Encoded rows{image_unit, text_unit, {}};
  LossOptions options;
  if (distill) {
    terms.push_back({&loss_term("distill"), 1.5});
    options.teacher_scale = 30;
    const auto unit = [&] { return normalise_features(at::randn({batch, 20}, image_unit.options())); };
    rows.teacher = at::cat({unit(), unit()}, 1);  // [batch, 2 * 20]
    dump.emplace_back("teacher", rows.teacher);
  }
  const at::Tensor loss = partial_loss(*comm, terms, rows, {model.logit_scale(), {}}, {{batch}, 0}, options);
  loss.backward();
  const at::ScalarType kept_as = compute == at::kDouble ? at::kDouble : at::kFloat;
  if (compute == at::kDouble) dump.emplace_back("pixels", pixels);  // they are made in fp32
  dump.emplace_back("image", image.detach().to(kept_as));
  dump.emplace_back("text", text.detach().to(kept_as));
  const at::Tensor logits = at::matmul(image_unit.detach(), text_unit.detach().t()).to(kept_as);  // [images, texts]
  dump.emplace_back("logits", logits * model.logit_scale().detach().to(kept_as).exp());
  dump.emplace_back("loss", loss.detach());
  dump.emplace_back("training", at::scalar_tensor(training ? 1 : 0, at::kLong));
  for (std::size_t i = 0; i < model.arena().buffer_specs().size(); ++i) {
    dump.emplace_back("buffer/" + model.arena().buffer_specs()[i].name, model.arena().buffer(i));
  }
  for (std::size_t i = 0; i < model.arena().specs().size(); ++i) {
    if (model.arena().specs()[i].frozen) continue;
    dump.emplace_back("gradient/" + model.arena().specs()[i].name, model.arena().gradient_view(i).to(kept_as));
  }
  write_safetensors(folder / "dump.safetensors", dump);
  return kExitDone;
}

int dump_init(const ModelConfig& config, const std::filesystem::path& folder, const std::string& scheme,
              std::uint64_t seed) {
  ClipModel model(config, at::kFloat);
  model.initialise(scheme, seed);
  write_safetensors(folder / "model.safetensors", named_weights(model), {{"format", "pt"}});
  return kExitDone;
}

int dump_optimizer(const ModelConfig& config, const std::filesystem::path& folder, const std::string& precision,
                   std::int64_t steps, std::span<char*> words) {
  OptimOptions options;
  OptionTable table;
  describe(table, options);
  table.parse({}, {words.begin(), words.end()});

  at::manual_seed(2);
  ClipModel model(config, type_of(precision));
  model.initialise("open_clip", 7);
  ParameterArena& arena = model.arena();
  Updater updater(arena, options);
  const auto comm = make_self_communicator();
  const at::Tensor start = arena.master().clone();
  const at::Tensor gradients = at::empty({steps, arena.numel()}, at::kFloat);
  const at::Tensor rates = at::empty({steps}, at::kFloat), norms = at::empty({steps}, at::kFloat);
  // Gradients of very different sizes: a tenth of the parameters is a thousand times smaller, and the whole step is now
  // above and now below the clipping norm.
  const at::Tensor sizes = at::where(at::rand({arena.numel()}).lt(0.1), 1e-3, 1.0).to(at::kFloat);
  for (std::int64_t step = 0; step < steps; ++step) {
    const double length = step % 3 == 0 ? 5.0 : 0.5;
    const at::Tensor draw = at::randn({arena.numel()}) * sizes + 0.3 * sizes;
    draw.narrow(0, arena.specs()[model.logit_scale_index()].offset, 1).abs_().neg_();  // towards its clamp
    arena.gradients().copy_(draw * (length / draw.norm().item<double>()));
    const double lr = learning_rate(options, step, {steps});
    const at::Tensor norm = gradient_norm(arena, *comm);
    gradients[step].copy_(arena.gradients());
    rates[step].fill_(lr);
    norms[step].copy_(norm);
    updater.step(norm, at::scalar_tensor(lr, at::kDouble), *comm);
  }
  write_safetensors(folder / "dump.safetensors", {{"start", start},
                                                  {"gradients", gradients},
                                                  {"rates", rates},
                                                  {"norms", norms},
                                                  {"master", arena.master()},
                                                  {"weights", arena.weights()}});
  write_safetensors(folder / "model.safetensors", named_weights(model), {{"format", "pt"}});
  return kExitDone;
}

// Training of `steps` steps in fp32 on batches of their own: bytes, ids, losses, and the weights at both ends.
int dump_training(const ModelConfig& config, const std::filesystem::path& folder, std::int64_t steps) {
  constexpr std::int64_t kRows = 8;
  at::manual_seed(3);
  ClipModel model(config, at::kFloat);
  model.initialise("open_clip", 7);
  disturb(model);
  write_safetensors(folder / "start.safetensors", named_weights(model), {{"format", "pt"}});
  ParameterArena& arena = model.arena();
  Updater updater(arena, {.lr = 1e-3, .weight_decay = 0.1, .clip_norm = 1});
  const auto comm = make_self_communicator();
  model.take_statistics_over(*comm);
  const std::int64_t size = model.image().image_size();
  const at::Tensor bytes = at::randint(0, 256, {steps, kRows, 3, size, size}, at::kByte);
  std::vector<at::Tensor> ids, losses;
  for (std::int64_t step = 0; step < steps; ++step) {
    ids.push_back(random_ids(model.text(), kRows, model.text().context()));
    arena.zero_gradients();
    const at::Tensor image = model.encode_image(normalise_pixels(bytes[step], config.norm, at::kFloat), {}, true);
    const at::Tensor text = model.encode_text(ids.back(), true);
    const Encoded rows{normalise_features(image), normalise_features(text), {}};
    const at::Tensor loss = loss_term("softmax").partial(*comm, rows, {model.logit_scale(), {}}, {{kRows}, 0}, {});
    loss.backward();
    losses.push_back(loss.detach());
    updater.step(gradient_norm(arena, *comm), at::scalar_tensor(1e-3, at::kDouble), *comm);
  }
  std::vector<std::int64_t> decays;  // in the order of model.safetensors
  for (const ParameterSpec& spec : arena.trained()) decays.push_back(spec.decay ? 1 : 0);
  write_safetensors(folder / "dump.safetensors", {{"bytes", bytes.to(at::kLong)},
                                                  {"ids", at::stack(ids)},
                                                  {"losses", at::stack(losses)},
                                                  {"decays", at::tensor(decays, at::kLong)}});
  write_safetensors(folder / "model.safetensors", named_weights(model), {{"format", "pt"}});
  return kExitDone;
}

int dump_start(const ModelConfig& config, const std::filesystem::path& folder, const std::filesystem::path& weights) {
  ClipModel model(config, at::kFloat);
  model.initialise("open_clip", 1);
  start_from_weights(model, {.both = weights}, "");
  write_safetensors(folder / "model.safetensors", named_weights(model), {{"format", "pt"}});
  return kExitDone;
}

int run(std::span<char*> words) {
  if (words.size() < 4) throw input_error("usage: parity_dump model|train|init|start|optimizer MODEL.json FOLDER ...");
  const std::string what = words[1];
  const ModelConfig config = read_model_config(words[2]);
  const std::filesystem::path folder = words[3];
  std::filesystem::create_directories(folder);
  const auto rest = words.subspan(4);
  if (what == "model") return dump_model(config, folder, rest);
  if (what == "train" && rest.size() == 1) return dump_training(config, folder, std::stoll(rest[0]));
  if (what == "start" && rest.size() == 1) return dump_start(config, folder, rest[0]);
  if (what == "init" && rest.size() == 2) return dump_init(config, folder, rest[0], std::stoull(rest[1]));
  if (what == "optimizer" && rest.size() >= 2) {
    return dump_optimizer(config, folder, rest[0], std::stoll(rest[1]), rest.subspan(2));
  }
  throw input_error("parity_dump: wrong words after {}", what);
}

}  // namespace
}  // namespace clip_hpc

int main(int count, char** words) {
  try {
    return clip_hpc::run({words, static_cast<std::size_t>(count)});
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "parity_dump: %s\n", problem.what());
    return clip_hpc::kExitInput;
  }
}
