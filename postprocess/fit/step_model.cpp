#include "postprocess/fit/step_model.hpp"

#include <algorithm>
#include <cmath>

#include "clip_hpc/base/statistics.hpp"

namespace clip_hpc {
namespace {

double median_of(std::vector<double> values, double otherwise) {
  return values.empty() ? otherwise : median(std::move(values));
}

// Messages that are much smaller travel by other protocols and say little of those of a step: `around` bytes, of 1/64
// to 64 times the size; all where too few are left.
constexpr double kAround = 64;

std::optional<AlphaBeta> fit_operation(const ScalingRecords& records, const std::string& operation, double ways,
                                       int most_ranks, double around, std::vector<LinkSample> samples,
                                       std::string& why) {
  std::vector<LinkSample> all = samples;
  for (const CommRecord& one : records.comm) {
    if (one.operation != operation || one.ranks > most_ranks) continue;
    all.push_back({one.ranks, one.nodes, one.bytes, one.time_s});
    if (one.bytes * kAround >= around && one.bytes <= kAround * around) samples.push_back(all.back());
  }
  std::string reason;
  auto fit = fit_alpha_beta(ways, samples, reason);
  if (!fit) fit = fit_alpha_beta(ways, all, reason);
  if (!fit) why = operation + ": " + reason;
  return fit;
}

// A message a bucket, all of the same size.
double modelled_gradients_ms(const StepModel& model, int ranks, int nodes) {
  if (!model.gradients || ranks <= 1) return 0;
  const double buckets = std::max(1.0, model.gradient_buckets);
  return 1e3 * buckets * (*model.gradients)(ranks, nodes, model.gradient_bytes / buckets);
}

double modelled_gather_ms(const StepModel& model, int ranks, int nodes, double batch) {
  if (!model.all_gather || !model.reduce_scatter || ranks <= 1) return 0;
  const double bytes = model.gather_bytes_of_pair * batch;
  return 1e3 * ((*model.all_gather)(ranks, nodes, bytes) + (*model.reduce_scatter)(ranks, nodes, bytes));
}

// work = work_0 + rows x work_1, neither below 0, over the weak and strong points.
void fit_work(const std::vector<const StepRecord*>& steps, StepModel& model) {
  std::vector<double> weak, per_row;
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const StepRecord* step : steps) {
    const double rows = step->rows(), work = step->work_ms();
    if (step->label == "weak") weak.push_back(work);
    per_row.push_back(work / rows);
    n += 1, x += rows, y += work, xx += rows * rows, xy += rows * work;
  }
  const double spread = n * xx - x * x;
  if (spread <= 1e-9 * n * xx) {  // one batch a rank: the median says it all
    model.work_0_ms = median_of(weak, y / n);
    return;
  }
  model.work_1_ms = (n * xy - x * y) / spread;
  model.work_0_ms = (y - model.work_1_ms * x) / n;
  if (model.work_1_ms < 0) {
    model.work_1_ms = 0;
    model.work_0_ms = y / n;
  } else if (model.work_0_ms < 0) {
    model.work_0_ms = 0;
    model.work_1_ms = median_of(per_row, 0);
  }
}

}  // namespace

StepPrediction StepModel::operator()(const std::string& label, int ranks, int nodes, double batch) const {
  StepPrediction told{.label = label, .ranks = ranks, .nodes = nodes, .batch = batch};
  told.work_ms = work_0_ms + work_1_ms * batch / ranks;
  told.data_wait_ms = data_wait_ms;
  told.gradients_ms = gradients_factor * modelled_gradients_ms(*this, ranks, nodes);
  told.gather_ms = gather_factor * modelled_gather_ms(*this, ranks, nodes, batch);
  told.exposed_ms = std::max(0.0, told.gradients_ms - hidden_share * told.work_ms);
  told.rest_ms = ranks > 1 ? rest_ms : 0;
  return told;
}

int most_ranks_of(const ScalingRecords& records) {
  int most = 0;
  for (const StepRecord& step : records.steps) most = std::max(most, step.ranks);
  return most;
}

std::optional<StepModel> fit_step_model(const ScalingRecords& records, int most_ranks, std::string& why) {
  StepModel model;
  std::vector<const StepRecord*> steps;
  for (const StepRecord& step : records.steps) {
    if (step.ranks <= most_ranks) steps.push_back(&step);
  }
  const auto several = std::ranges::count_if(steps, [](const StepRecord* s) { return s->ranks > 1; });
  if (steps.empty() || several == 0) {
    why = "no step on more than one rank";
    return std::nullopt;
  }
  const StepRecord& any = *steps.back();
  model.gradient_bytes = any.gradient_bytes;
  model.gradient_buckets = std::max(1.0, any.gradient_buckets);
  model.gather_bytes_of_pair = any.gather_bytes / any.batch;
  // The exchange of a step, timed alone, is a measurement too, and the one that matters most.
  const double bucket = model.gradient_bytes / model.gradient_buckets;
  std::vector<LinkSample> exchanges;
  for (const StepRecord* step : steps) {
    exchanges.push_back({step->ranks, step->nodes, bucket, 1e-3 * step->gradients_alone_ms / model.gradient_buckets});
  }
  model.gradients = fit_operation(records, "start_all_reduce", 2, most_ranks, bucket, exchanges, why);
  model.all_gather = fit_operation(records, "all_gather", 1, most_ranks, any.gather_bytes, {}, why);
  model.reduce_scatter = fit_operation(records, "reduce_scatter", 1, most_ranks, any.gather_bytes, {}, why);
  if (!model.gradients || !model.all_gather || !model.reduce_scatter) return std::nullopt;
  fit_work(steps, model);
  std::vector<double> data, gradients, gathers, hidden, rest;
  for (const StepRecord* step : steps) {
    data.push_back(step->data_wait_ms());
    if (step->ranks == 1) continue;
    const double told = modelled_gradients_ms(model, step->ranks, step->nodes);
    const double gather = modelled_gather_ms(model, step->ranks, step->nodes, step->batch);
    if (told > 0 && step->gradients_alone_ms > 0) gradients.push_back(step->gradients_alone_ms / told);
    if (gather > 0 && step->gather_alone_ms > 0) gathers.push_back(step->gather_alone_ms / gather);
    if (step->work_ms() > 0) {
      const double alone = step->gradients_alone_ms + step->gather_alone_ms;
      hidden.push_back(std::clamp((alone - step->comm_wait_ms()) / step->work_ms(), 0.0, 1.0));
    }
  }
  model.data_wait_ms = median_of(data, 0);
  model.gradients_factor = median_of(gradients, 1);
  model.gather_factor = median_of(gathers, 1);
  model.hidden_share = median_of(hidden, 0);
  for (const StepRecord* step : steps) {
    if (step->ranks == 1) continue;
    const StepPrediction told = model(step->label, step->ranks, step->nodes, step->batch);
    rest.push_back(step->step_ms - told.step_ms());
  }
  model.rest_ms = std::max(0.0, median_of(rest, 0));
  return model;
}

std::vector<HeldOutStep> held_out_steps(const ScalingRecords& records, std::string& why) {
  const int most = most_ranks_of(records);
  int next = 0;
  for (const StepRecord& step : records.steps) {
    if (step.ranks < most) next = std::max(next, step.ranks);
  }
  std::vector<HeldOutStep> all;
  if (next < 2) {
    why = "a check needs two world sizes of several ranks";
    return all;
  }
  const auto model = fit_step_model(records, next, why);
  if (!model) return all;
  for (const StepRecord& step : records.steps) {
    if (step.ranks != most) continue;
    all.push_back({.label = step.label,
                   .predicted = (*model)(step.label, step.ranks, step.nodes, step.batch),
                   .measured_ms = step.step_ms,
                   .gradients_ms = step.gradients_alone_ms});
  }
  return all;
}

}  // namespace clip_hpc
