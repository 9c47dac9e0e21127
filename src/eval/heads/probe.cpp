#include "clip_hpc/eval/heads/probe.hpp"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/eval/heads/lbfgs.hpp"

namespace clip_hpc {
namespace {

constexpr std::int64_t kColumns = 256;                   // heads are put side by side up to about so many columns
constexpr std::int64_t kScores = std::int64_t{1} << 18;  // lbfgs: of the samples that are evaluated together
constexpr std::size_t kGrid = 97;
constexpr double kMomentum = 0.9;
constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEps = 1e-8;  // torch.optim.AdamW's

// Which heads share a GEMM depends on the problem alone, never on the number of ranks.
std::int64_t members_together(std::int64_t classes) { return std::max<std::int64_t>(1, kColumns / classes); }

at::Tensor labels_of(const Samples& samples) { return at::tensor(samples.y, at::kLong); }

// Random numbers in the order in which torch draws them from its own generator, so that a probe of the same seed is the
// peer's: torch.nn.Linear's head, then one shuffle an epoch by torch.utils.data.DataLoader.
at::Tensor linear_init(at::Generator& generator, at::IntArrayRef shape, std::int64_t fan_in) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  return at::empty(shape, at::kFloat).uniform_(-bound, bound, generator);
}

at::Tensor loader_order(at::Generator& generator, std::int64_t rows) {
  at::Tensor draw = at::empty({}, at::kLong);
  draw.random_(generator);  // the loader's seed for its workers
  draw.random_(generator);  // the sampler's
  at::Generator of_epoch = at::detail::createCPUGenerator(static_cast<std::uint64_t>(draw.item<std::int64_t>()));
  return at::randperm(rows, of_epoch, at::TensorOptions().dtype(at::kLong));
}

// softmax(scores) - one-hot: the gradient of the summed loss. [members, classes, rows], changed in place. Samples lie
// innermost: a softmax over few classes is several times faster across rows of memory than along them.
void to_gradient(at::Tensor& probabilities, const at::Tensor& y) {
  const std::int64_t members = probabilities.size(0), rows = probabilities.size(2);
  const at::Tensor place = y.view({1, 1, rows}).expand({members, 1, rows});
  probabilities.scatter_add_(1, place, at::full({members, 1, rows}, -1.0, probabilities.scalar_type()));
}

// [members, dim, classes] of [members, classes, dim].
at::Tensor by_dim(const at::Tensor& weight) { return weight.transpose(1, 2).contiguous(); }

double cosine(double part) { return 0.5 * (1 + std::cos(std::numbers::pi * part)); }

ProbeHeads train_by_steps(const ProbeRecipe& recipe, const Samples& train, std::int64_t classes,
                          std::span<const double> values) {
  const bool adamw = recipe.method == "adamw";
  const std::int64_t rows = train.x.size(0), dim = train.x.size(1), members = std::ssize(values);
  const std::int64_t epochs = recipe.epochs > 0 ? recipe.epochs : adamw ? 10 : 90;
  const at::Tensor y = labels_of(train);
  at::Generator generator = at::detail::createCPUGenerator(recipe.seed);
  at::Tensor w = at::zeros({members, classes, dim}, at::kFloat), b = at::zeros({members, classes, 1}, at::kFloat);
  if (adamw) {  // every member begins with the same head
    w.copy_(linear_init(generator, {classes, dim}, dim));
    b.copy_(linear_init(generator, {classes, 1}, dim));
  }
  struct Parameter {
    at::Tensor value, gradient, m, v;
  };
  std::vector<Parameter> parameters;
  for (const at::Tensor& value : {w, b}) {
    parameters.push_back(
        {value, at::empty_like(value), at::zeros_like(value), adamw ? at::zeros_like(value) : at::Tensor()});
  }
  const at::Tensor of_member =
      at::tensor(std::vector<double>(values.begin(), values.end()), at::kDouble).view({members, 1, 1});
  const std::int64_t steps = (rows + recipe.batch - 1) / recipe.batch;
  std::int64_t step = 0;
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    const at::Tensor order = loader_order(generator, rows);
    for (std::int64_t i = 0; i < steps; ++i, ++step) {
      const at::Tensor ids = order.slice(0, i * recipe.batch, std::min(rows, (i + 1) * recipe.batch));
      const at::Tensor x = train.x.index_select(0, ids);  // [batch, dim]
      const std::int64_t batch = x.size(0);
      const at::Tensor scores = at::addmm(b.view({-1, 1}), w.view({-1, dim}), x.t());  // [members * classes, batch]
      at::Tensor g = at::softmax(scores.view({members, classes, batch}), 1);
      to_gradient(g, y.index_select(0, ids));
      g.div_(batch);
      at::Tensor gw = parameters[0].gradient.view({-1, dim});
      at::mm_out(gw, g.view({-1, batch}), x);
      at::sum_out(parameters[1].gradient, g, 2, true);
      if (!adamw) {
        const double share = cosine(static_cast<double>(epoch) / static_cast<double>(epochs));
        const at::Tensor rate = (of_member * share).to(at::kFloat);
        for (Parameter& p : parameters) {
          p.m.mul_(kMomentum).add_(p.gradient);
          p.value.addcmul_(p.m, rate, -1);
        }
        continue;
      }
      const double rate =
          recipe.learning_rate * cosine(static_cast<double>(step) / static_cast<double>(epochs * steps));
      const double t = static_cast<double>(step + 1);
      const double correction1 = 1 - std::pow(kBeta1, t), correction2 = std::sqrt(1 - std::pow(kBeta2, t));
      const at::Tensor kept = (1 - of_member * rate).to(at::kFloat);
      for (Parameter& p : parameters) {
        p.value.mul_(kept);
        p.m.lerp_(p.gradient, 1 - kBeta1);
        p.v.mul_(kBeta2).addcmul_(p.gradient, p.gradient, 1 - kBeta2);
        p.value.addcdiv_(p.m, p.v.sqrt().div_(correction2).add_(kEps), -rate / correction1);
      }
    }
  }
  return {by_dim(w), b.squeeze(2)};
}

// Mean loss + |weight|^2 / (2 C n) of each member, and its gradient. parameters [members, classes * dim + classes]
// double: weights, then the bias, which is not shrunk. strength: 1 / (C n) of each member. Blocks of samples are
// computed in `compute` and summed in double.
std::pair<at::Tensor, at::Tensor> logistic_loss(const Samples& train, const at::Tensor& y, std::int64_t classes,
                                                const at::Tensor& parameters, const at::Tensor& strength,
                                                at::ScalarType compute) {
  const std::int64_t rows = train.x.size(0), dim = train.x.size(1), members = parameters.size(0);
  const std::int64_t together = std::clamp<std::int64_t>(kScores / (members * classes), 128, 4096);
  const at::Tensor weight = parameters.slice(1, 0, classes * dim);
  const at::Tensor w = weight.reshape({members * classes, dim}).to(compute);
  const at::Tensor b = parameters.slice(1, classes * dim).reshape({members * classes, 1}).to(compute);
  at::Tensor loss = at::zeros({members}, at::kDouble);
  at::Tensor gw = at::zeros({members * classes, dim}, at::kDouble), gb = at::zeros({members * classes, 1}, at::kDouble);
  for (std::int64_t begin = 0; begin < rows; begin += together) {
    const std::int64_t count = std::min(rows - begin, together);
    const at::Tensor x = train.x.slice(0, begin, begin + count).to(compute);
    const at::Tensor labels = y.slice(0, begin, begin + count);
    at::Tensor g = at::log_softmax(at::addmm(b, w, x.t()).view({members, classes, count}), 1);
    loss.sub_(
        g.gather(1, labels.view({1, 1, count}).expand({members, 1, count})).sum(2, false, at::kDouble).squeeze(1));
    g.exp_();
    to_gradient(g, labels);
    const at::Tensor flat = g.view({members * classes, count});
    gw.add_(at::mm(flat, x));
    gb.add_(flat.sum(1, true));
  }
  const auto n = static_cast<double>(rows);
  const at::Tensor value = loss / n + 0.5 * weight.square().sum(1) * strength;
  const at::Tensor gradient = at::cat({gw.view({members, -1}), gb.view({members, -1})}, 1).div_(n);
  gradient.slice(1, 0, classes * dim).addcmul_(weight, strength.unsqueeze(1));
  return {value, gradient};
}

ProbeHeads train_by_lbfgs(const ProbeRecipe& recipe, const Samples& train, std::int64_t classes,
                          std::span<const double> values) {
  const std::int64_t dim = train.x.size(1);
  const at::Tensor y = labels_of(train);
  const bool single = recipe.tolerance >= 1e-6;
  const at::ScalarType compute = single ? at::kFloat : at::kDouble;
  LbfgsOptions options;
  options.max_iterations = recipe.max_iterations;
  options.tolerance = recipe.tolerance;
  if (single) options.rounding = 1e-7;
  std::vector<Lbfgs> problems;
  for (std::size_t i = 0; i < values.size(); ++i) {
    problems.emplace_back(at::zeros({(dim + 1) * classes}, at::kDouble), options);
  }
  while (true) {
    std::vector<std::size_t> open;
    std::vector<at::Tensor> points;
    std::vector<double> strengths;
    for (std::size_t i = 0; i < problems.size(); ++i) {
      if (problems[i].done()) continue;
      open.push_back(i);
      points.push_back(problems[i].trial());
      strengths.push_back(1 / (values[i] * static_cast<double>(train.x.size(0))));
    }
    if (open.empty()) break;
    const auto [value, gradient] =
        logistic_loss(train, y, classes, at::stack(points), at::tensor(strengths, at::kDouble), compute);
    for (std::size_t k = 0; k < open.size(); ++k) {
      const auto row = static_cast<std::int64_t>(k);
      problems[open[k]].tell(value[row].item<double>(), gradient[row]);
    }
  }
  std::vector<at::Tensor> solutions;
  for (const Lbfgs& problem : problems) solutions.push_back(problem.solution());
  const at::Tensor all = at::stack(solutions);
  return {by_dim(all.slice(1, 0, classes * dim).reshape({-1, classes, dim})), all.slice(1, classes * dim).contiguous()};
}

std::vector<double> log_grid(double low, double high) {  // exponents
  std::vector<double> grid;
  for (std::size_t i = 0; i < kGrid; ++i) {
    grid.push_back(std::pow(10.0, low + (high - low) * static_cast<double>(i) / static_cast<double>(kGrid - 1)));
  }
  return grid;
}

// Validation accuracy of each value. Groups of members go round the ranks.
std::vector<double> validation_accuracies(Communicator& comm, const ProbeRecipe& recipe, const Samples& train,
                                          const TestSamples& validation, std::int64_t classes,
                                          std::span<const double> values) {
  const std::int64_t members = std::ssize(values), at_once = members_together(classes);
  at::Tensor accuracies = at::zeros({members}, at::kDouble);
  together(comm, [&] {
    for (std::int64_t group = comm.rank(); group * at_once < members; group += comm.size()) {
      const std::int64_t begin = group * at_once, count = std::min(at_once, members - begin);
      const ProbeHeads heads = train_heads(
          recipe, train, classes, values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)));
      for (std::int64_t m = 0; m < count; ++m) {
        accuracies[begin + m].fill_(head_metrics(heads.weight[m], heads.bias[m], validation).at("acc1"));
      }
    }
  });
  comm.all_reduce(accuracies, ReduceOp::sum);  // the others' shares are zero, so the sum is exact
  return {accuracies.const_data_ptr<double>(), accuracies.const_data_ptr<double>() + members};
}

struct Search {
  Communicator& comm;
  const ProbeRecipe& recipe;
  const Samples& train;
  const TestSamples& validation;
  std::int64_t classes;
  const std::vector<double>& grid;
  std::map<std::size_t, double> known;  // accuracies by place in the grid
  std::vector<ProbeTrial> trials;
};

// The best of these places: the first of equals, and the first of all where nothing is right.
std::size_t find_peak(Search& search, const std::vector<std::size_t>& places) {
  std::vector<std::size_t> fresh;
  std::vector<double> values;
  for (const std::size_t place : places) {
    if (search.known.contains(place) || std::ranges::find(fresh, place) != fresh.end()) continue;
    fresh.push_back(place);
    values.push_back(search.grid[place]);
  }
  const std::vector<double> found =
      validation_accuracies(search.comm, search.recipe, search.train, search.validation, search.classes, values);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    search.known[fresh[i]] = found[i];
    search.trials.push_back({values[i], found[i]});
  }
  std::size_t best = places.front();
  for (const std::size_t place : places) {
    if (search.known.at(place) > search.known.at(best)) best = place;
  }
  return best;
}

const char* swept(const std::string& method) {
  return method == "sgd" ? "lr" : method == "adamw" ? "weight_decay" : "C";
}

// Every 16th of the grid, then halving the distance to the neighbours of the best.
std::size_t search_grid(Search& search) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < kGrid; i += 16) places.push_back(i);
  std::size_t peak = find_peak(search, places);
  for (std::size_t span = 8; span > 0; span /= 2) {
    peak = find_peak(search, {peak - std::min(peak, span), peak, std::min(peak + span, kGrid - 1)});
  }
  return peak;
}

std::vector<double> default_values(const std::string& method) {
  if (method == "sgd") return {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3};
  return method == "adamw" ? log_grid(-6, 2) : log_grid(-6, 6);
}

void check_recipe(const ProbeRecipe& recipe) {
  if (recipe.method != "sgd" && recipe.method != "adamw" && recipe.method != "lbfgs") {
    throw input_error("no probe is called \"{}\": use sgd, adamw or lbfgs", recipe.method);
  }
  if (recipe.batch < 1) throw input_error("a probe's batch holds {} samples: give 1 at least", recipe.batch);
  for (const double value : recipe.values) {
    if (!std::isfinite(value) || value < 0 || (value == 0 && recipe.method != "adamw")) {
      throw input_error("{} cannot be {}: give a positive number", swept(recipe.method), value);
    }
  }
}

}  // namespace

ProbeHeads train_heads(const ProbeRecipe& recipe, const Samples& train, std::int64_t classes,
                       std::span<const double> values) {
  const at::NoGradGuard no_grad;
  return recipe.method == "lbfgs" ? train_by_lbfgs(recipe, train, classes, values)
                                  : train_by_steps(recipe, train, classes, values);
}

std::pair<Samples, Samples> split_validation(const Samples& samples, std::int64_t classes, double share,
                                             std::uint64_t seed) {
  std::vector<std::int64_t> train, validation;
  for (const auto& rows : shuffled_rows_by_class(samples.y, classes, seed, Purpose::probe)) {
    const auto held = static_cast<std::ptrdiff_t>(std::floor(share * static_cast<double>(rows.size())));
    validation.insert(validation.end(), rows.begin(), rows.begin() + held);
    train.insert(train.end(), rows.begin() + held, rows.end());
  }
  std::ranges::sort(train);
  std::ranges::sort(validation);
  return {take(samples, train), take(samples, validation)};
}

ProbeHead fit_probe(Communicator& comm, const ProbeRecipe& recipe, const Samples& train, const Samples& validation,
                    std::int64_t classes) {
  check_recipe(recipe);
  check_trainable(train, classes, "the training split");
  ProbeHead head;
  head.chosen = swept(recipe.method);
  const bool can_choose = !validation.y.empty();
  const std::vector<double> grid = recipe.values.empty() ? default_values(recipe.method) : recipe.values;
  if (grid.size() == 1) {
    head.value = grid[0];
  } else if (!can_choose && recipe.method == "adamw" && recipe.values.empty()) {
    head.value = 0;
  } else if (!can_choose) {
    throw input_error("no validation samples to choose {} by: raise eval.probe_val_share, or give one value",
                      head.chosen);
  } else {
    const TestSamples judge{"the validation split", validation, {}};
    check_testable(judge, train.x.size(1), classes);
    Search search{comm, recipe, train, judge, classes, grid, {}, {}};
    std::vector<std::size_t> all(grid.size());
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = i;
    const bool own_grid = recipe.values.empty() && recipe.method != "sgd";
    head.value = grid[own_grid ? search_grid(search) : find_peak(search, all)];
    head.trials = search.trials;
  }
  Samples both = train;
  if (can_choose) {
    both.x = at::cat({train.x, validation.x});
    both.y.insert(both.y.end(), validation.y.begin(), validation.y.end());
  }
  const at::ScalarType type = recipe.method == "lbfgs" ? at::kDouble : at::kFloat;
  head.weight = at::empty({train.x.size(1), classes}, type);
  head.bias = at::empty({classes}, type);
  together(comm, [&] {
    if (comm.rank() != 0) return;
    const ProbeHeads last = train_heads(recipe, both, classes, std::span(&head.value, 1));
    head.weight.copy_(last.weight[0]);
    head.bias.copy_(last.bias[0]);
  });
  comm.broadcast(head.weight);
  comm.broadcast(head.bias);
  return head;
}

}  // namespace clip_hpc
