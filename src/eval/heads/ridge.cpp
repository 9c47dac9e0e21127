#include "clip_hpc/eval/heads/ridge.hpp"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <array>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/collectively.hpp"

namespace clip_hpc {
namespace {

constexpr double kBiasFeature = 100;  // so large that the bias is hardly shrunk
constexpr double kDeviationFloor = 1e-5;
constexpr std::array<const char*, 3> kMetrics{"acc1", "acc5", "mean_per_class_recall"};

}  // namespace

std::vector<std::int64_t> fewshot_rows(const std::vector<std::int64_t>& labels, std::int64_t classes,
                                       std::int64_t shots, std::uint64_t seed) {
  std::vector<std::int64_t> rows;
  for (const auto& of_class : shuffled_rows_by_class(labels, classes, seed, Purpose::fewshot)) {
    const auto taken = std::min<std::ptrdiff_t>(shots, std::ssize(of_class));
    rows.insert(rows.end(), of_class.begin(), of_class.begin() + taken);
  }
  return rows;
}

std::vector<RidgeHead> fit_ridge(const Samples& samples, std::int64_t classes, std::span<const double> l2) {
  for (const double one : l2) {
    if (!(one > 0)) throw input_error("eval.l2 must be above 0, got {}", one);
  }
  const at::NoGradGuard no_grad;
  const at::Tensor raw = samples.x.to(at::kDouble);  // [n, dim]
  const std::int64_t n = raw.size(0), dim = raw.size(1);
  const at::Tensor mean = raw.mean(0);
  const at::Tensor deviation = (raw - mean).square().mean(0).sqrt() + kDeviationFloor;
  const at::Tensor x = at::cat({(raw - mean) / deviation, at::full({n, 1}, kBiasFeature, at::kDouble)}, 1);
  at::Tensor y = at::full({n, classes}, -1.0, at::kDouble);
  y.scatter_(1, at::tensor(samples.y, at::kLong).unsqueeze(1), 1.0);

  // (x'x + l2)^-1 x'y, or x'(xx' + l2)^-1 y where that is the smaller system.
  const bool primal = n >= dim + 1;
  const at::Tensor gram = primal ? at::matmul(x.t(), x) : at::matmul(x, x.t());
  const at::Tensor right = primal ? at::matmul(x.t(), y) : y;
  std::vector<RidgeHead> heads;
  for (const double one : l2) {
    at::Tensor shrunk = gram.clone();
    shrunk.diagonal().add_(one);
    const auto [factor, broken] = at::linalg_cholesky_ex(shrunk);
    if (broken.item<int>() != 0) {
      throw input_error("eval.l2 = {} vanishes beside the rounding of these features: take a larger one", one);
    }
    const at::Tensor solved = at::cholesky_solve(right, factor);
    const at::Tensor w = primal ? solved : at::matmul(x.t(), solved);  // [dim + 1, classes]
    const at::Tensor weight = w.slice(0, 0, dim) / deviation.unsqueeze(1);
    heads.push_back({weight, kBiasFeature * w[dim] - at::matmul(mean, weight)});
  }
  return heads;
}

std::vector<FewshotOutcome> evaluate_fewshot(Communicator& comm, const Samples& train, std::int64_t classes,
                                             std::span<const TestSamples> tests, const FewshotOptions& options) {
  check_trainable(train, classes, "the training split");
  for (const TestSamples& test : tests) check_testable(test, train.x.size(1), classes);
  const auto shots = std::ssize(options.shots), strengths = std::ssize(options.l2), sets = std::ssize(tests);
  const auto kinds = std::ssize(kMetrics);
  at::Tensor all = at::zeros({options.seeds, shots, strengths, sets, kinds}, at::kDouble);
  together(comm, [&] {
    for (std::int64_t unit = comm.rank(); unit < options.seeds * shots; unit += comm.size()) {
      const std::int64_t seed = unit / shots, s = unit % shots;
      const auto rows =
          fewshot_rows(train.y, classes, options.shots[static_cast<std::size_t>(s)], static_cast<std::uint64_t>(seed));
      const std::vector<RidgeHead> heads = fit_ridge(take(train, rows), classes, options.l2);
      for (std::int64_t l = 0; l < strengths; ++l) {
        const RidgeHead& head = heads[static_cast<std::size_t>(l)];
        for (std::int64_t t = 0; t < sets; ++t) {
          const auto metrics = head_metrics(head.weight, head.bias, tests[static_cast<std::size_t>(t)]);
          for (std::int64_t k = 0; k < kinds; ++k) {
            const auto found = metrics.find(kMetrics[static_cast<std::size_t>(k)]);
            if (found != metrics.end()) all[seed][s][l][t][k].fill_(found->second);
          }
        }
      }
    }
  });
  comm.all_reduce(all, ReduceOp::sum);  // the others' shares are zero, so the sum is exact

  std::vector<FewshotOutcome> outcomes;
  for (std::int64_t t = 0; t < sets; ++t) {
    const TestSamples& test = tests[static_cast<std::size_t>(t)];
    const std::int64_t competing = test.columns.empty() ? classes : std::ssize(test.columns);
    for (std::int64_t s = 0; s < shots; ++s) {
      for (std::int64_t l = 0; l < strengths; ++l) {
        FewshotOutcome outcome{options.shots[static_cast<std::size_t>(s)],
                               options.l2[static_cast<std::size_t>(l)],
                               static_cast<std::size_t>(t),
                               {}};
        for (std::int64_t k = 0; k < kinds; ++k) {
          const std::string name = kMetrics[static_cast<std::size_t>(k)];
          if (name == "acc5" && competing < 5) continue;
          double sum = 0;
          for (std::int64_t seed = 0; seed < options.seeds; ++seed) sum += all[seed][s][l][t][k].item<double>();
          outcome.metrics[name] = sum / static_cast<double>(options.seeds);
        }
        for (std::int64_t seed = 0; seed < options.seeds; ++seed) {
          outcome.metrics[fmt::format("acc1_seed_{}", seed)] = all[seed][s][l][t][0].item<double>();
        }
        outcomes.push_back(std::move(outcome));
      }
    }
  }
  return outcomes;
}

}  // namespace clip_hpc
