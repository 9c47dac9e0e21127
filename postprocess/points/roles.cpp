#include "postprocess/points/roles.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>

#include "clip_hpc/run/results.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kImagenet = "ImageNet";
constexpr const char* kReal = "ImageNet-ReaL";
constexpr const char* kCoco = "COCO";
constexpr std::array kPaperVariants{"ImageNet-A", "ImageNet-R", "ImageNet-Sketch", "ImageNet-V2", kReal, "ObjectNet"};

// "packed/imagenet_val", "imagenet1k/test" -> "imagenet", "imagenet1k".
std::string plain(const std::string& dataset) {
  std::string text, token;
  const auto take = [&] {
    constexpr std::array kIdle{"packed", "test", "val", "validation", "wds", "clean"};
    if (std::ranges::find(kIdle, token) == kIdle.end()) text += token;
    token.clear();
  };
  for (const char c : dataset) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      token += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      take();
    }
  }
  take();
  return text;
}

// The paper's name of a set, or "".
std::string paper_name(const std::string& dataset) {
  static const std::map<std::string, const char*> kNames{
      {"imagenet", kImagenet},
      {"imagenet1k", kImagenet},
      {"imageneta", "ImageNet-A"},
      {"imagenetr", "ImageNet-R"},
      {"imagenetsketch", "ImageNet-Sketch"},
      {"imagenetv2", "ImageNet-V2"},
      {"imagenetv2matchedfrequency", "ImageNet-V2"},
      {"imagenetreal", kReal},
      {"imagenet1kreal", kReal},
      {"objectnet", "ObjectNet"},
      {"coco", kCoco},
      {"mscoco", kCoco},
      {"cococaptions", kCoco},
      {"mscococaptions", kCoco},
  };
  const auto found = kNames.find(plain(dataset));
  return found == kNames.end() ? "" : found->second;
}

std::string shown(const StudyMeasure& measure) {
  const std::string name = paper_name(measure.dataset);
  return name.empty() ? measure.dataset : name;
}

std::size_t pairs(const std::vector<StudyPoint>& a, const std::vector<StudyPoint>& b) {
  return static_cast<std::size_t>(std::ranges::count_if(a, [&](const StudyPoint& one) {
    return std::ranges::any_of(b, [&](const StudyPoint& other) { return same_run(one, other); });
  }));
}

// Measures of one task and metric, most frequent first, then as they came.
std::vector<const StudyMeasure*> of_task(std::span<const StudyMeasure> measures, const std::string& task,
                                         const std::string& metric) {
  std::vector<const StudyMeasure*> found;
  for (const StudyMeasure& one : measures) {
    if (one.task == task && one.metric == metric) found.push_back(&one);
  }
  std::ranges::stable_sort(found, [](const StudyMeasure* a, const StudyMeasure* b) {
    if (a->points.size() != b->points.size()) return a->points.size() > b->points.size();
    return a->order < b->order;
  });
  return found;
}

RoleMeasure measure_of(const StudyMeasure& measure, const std::string& how) {
  RoleMeasure role{shown(measure), how, {}, !paper_name(measure.dataset).empty(), measure.points};
  if (paper_name(measure.dataset).empty() && !measure.variant.empty() && how == "zero-shot") {
    role.name += ", " + measure.variant;
  }
  return role;
}

RoleMeasure mean_measure(std::span<const RoleMeasure> sets, const std::string& how, std::size_t as_in_paper) {
  RoleMeasure mean{sets.size() == 1 ? sets.front().name : fmt::format("mean of {} sets", sets.size()),
                   how,
                   {},
                   false,
                   mean_of(sets)};
  for (const RoleMeasure& one : sets) mean.sets += (mean.sets.empty() ? "" : ", ") + one.name;
  mean.as_paper = sets.size() == as_in_paper && std::ranges::all_of(sets, &RoleMeasure::as_paper);
  return mean;
}

// The main set of a task and the others that were measured on the same runs: the paper's, in its order, or any.
struct Family {
  const StudyMeasure* main = nullptr;
  std::vector<RoleMeasure> others;
};
Family family_of(const std::vector<const StudyMeasure*>& measures, const std::string& main_dataset,
                 const std::string& how) {
  Family family;
  for (const StudyMeasure* one : measures) {
    if (shown(*one) == kImagenet || (!main_dataset.empty() && one->dataset == main_dataset)) {
      family.main = one;
      break;
    }
  }
  if (family.main == nullptr && !measures.empty()) family.main = measures.front();
  if (family.main == nullptr) return family;
  const auto take = [&](const StudyMeasure& one) {
    const std::size_t shared = pairs(family.main->points, one.points);
    if (shared < 2 || 2 * shared < family.main->points.size()) return;
    const RoleMeasure role = measure_of(one, how);
    if (std::ranges::find(family.others, role.name, &RoleMeasure::name) == family.others.end()) {
      family.others.push_back(role);
    }
  };
  if (shown(*family.main) == kImagenet) {
    for (const char* name : kPaperVariants) {
      const auto found = std::ranges::find_if(measures, [&](const StudyMeasure* one) { return shown(*one) == name; });
      if (found != measures.end()) take(**found);
    }
  } else {
    std::vector<const StudyMeasure*> rest;
    for (const StudyMeasure* one : measures) {
      if (one->dataset == family.main->dataset) continue;  // the same pictures under other names
      // A linear probe has the same sets by several recipes: that of the main set counts.
      if (how == "linear probe" && one->variant != family.main->variant) continue;
      rest.push_back(one);
    }
    std::ranges::stable_sort(rest, {}, &StudyMeasure::order);
    for (const StudyMeasure* one : rest) take(*one);
  }
  return family;
}

int shots_of(const StudyMeasure& measure) { return std::atoi(measure.variant.c_str()); }

void take_fewshot(Roles& roles, const std::vector<const StudyMeasure*>& measures, const std::string& main_dataset) {
  std::map<int, const StudyMeasure*> by_shots;  // the most frequent one of each number
  for (const StudyMeasure* one : measures) {
    const bool on_main = shown(*one) == kImagenet || one->dataset == main_dataset;
    if (shots_of(*one) > 0 && (on_main || main_dataset.empty())) by_shots.emplace(shots_of(*one), one);
  }
  if (by_shots.empty()) return;
  const bool as_paper = by_shots.contains(5) || by_shots.contains(10);
  const auto put = [&](Role role, int shots) {
    RoleMeasure measure = measure_of(*by_shots.at(shots), fmt::format("{}-shot", shots));
    measure.as_paper = measure.as_paper && as_paper;
    roles.measures[role] = measure;
  };
  if (as_paper) {
    if (by_shots.contains(5)) put(Role::fewshot_low, 5);
    if (by_shots.contains(10)) put(Role::fewshot_high, 10);
  } else {
    put(Role::fewshot_low, by_shots.begin()->first);
    if (by_shots.size() > 1) put(Role::fewshot_high, by_shots.rbegin()->first);
  }
}

// The curves of the paper carry the role in the name.
void take_curves(Roles& roles, const StudyMeasure& measure) {
  constexpr const char* kSix = "ImageNet-A, ImageNet-R, ImageNet-Sketch, ImageNet-V2, ImageNet-ReaL, ObjectNet";
  constexpr const char* kFive = "ImageNet-A, ImageNet-R, ImageNet-Sketch, ImageNet-V2, ObjectNet";
  const auto put = [&](Role role, const char* name, const char* how, const char* sets = "") {
    roles.measures[role] = {name, how, sets, true, measure.points};
  };
  if (measure.metric == "imagenet_zeroshot") {
    put(Role::zeroshot, kImagenet, "zero-shot");
  } else if (measure.metric == "variants6_zeroshot") {
    put(Role::variants, "mean of 6 sets", "zero-shot", kSix);
  } else if (measure.metric == "variants5_zeroshot") {
    put(Role::variants_without_real, "mean of 5 sets", "zero-shot", kFive);
  } else if (measure.metric == "imagenet_5shot") {
    put(Role::fewshot_low, kImagenet, "5-shot");
  } else if (measure.metric == "imagenet_10shot") {
    put(Role::fewshot_high, kImagenet, "10-shot");
  } else if (measure.metric == "imagenet_linear_probe") {
    put(Role::probe, kImagenet, "linear probe");
  } else if (measure.metric == "ood_linear_probe") {
    put(Role::probe_variants, "mean of the other sets", "linear probe");
  } else if (measure.metric == "coco_image_to_text") {
    put(Role::image_to_text, kCoco, "image to text");
  } else if (measure.metric == "coco_text_to_image") {
    put(Role::text_to_image, kCoco, "text to image");
  } else {
    roles.without.push_back(measure.name);
  }
}

}  // namespace

const char* words_of(Role role) {
  switch (role) {
    case Role::zeroshot:
      return "zero-shot classification";
    case Role::variants:
    case Role::variants_without_real:
      return "zero-shot classification of a second set";
    case Role::fewshot_low:
      return "few-shot classification (5 shots)";
    case Role::fewshot_high:
      return "few-shot classification (10 shots)";
    case Role::probe:
      return "linear probe";
    case Role::probe_variants:
      return "linear probe on a second set";
    case Role::image_to_text:
    case Role::text_to_image:
      return "retrieval";
  }
  return "";
}

bool same_run(const StudyPoint& a, const StudyPoint& b) {
  return a.tower == b.tower && a.strategy == b.strategy && a.quality == b.quality && a.set == b.set &&
         a.samples == b.samples;
}

std::vector<StudyPoint> mean_of(std::span<const RoleMeasure> sets) {
  std::vector<StudyPoint> means;
  if (sets.empty()) return means;
  for (const StudyPoint& first : sets.front().points) {
    StudyPoint mean = first;
    bool everywhere = true;
    for (const RoleMeasure& set : sets.subspan(1)) {
      const auto found = std::ranges::find_if(set.points, [&](const StudyPoint& p) { return same_run(p, first); });
      everywhere = everywhere && found != set.points.end();
      if (!everywhere) break;
      mean.error += found->error;
      std::erase_if(mean.errors, [&](const auto& run) { return !found->errors.contains(run.first); });
      for (auto& [run, error] : mean.errors) error += found->errors.at(run);
    }
    if (!everywhere) continue;
    const auto count = static_cast<double>(sets.size());
    mean.error /= count;
    double least = 1, most = 0;
    for (auto& [run, error] : mean.errors) {
      error /= count;
      least = std::min(least, error);
      most = std::max(most, error);
    }
    mean.runs = std::max(1, static_cast<int>(mean.errors.size()));
    mean.spread = mean.errors.empty() ? 0 : 0.5 * (most - least);
    means.push_back(mean);
  }
  return means;
}

Roles roles_of(std::span<const StudyMeasure> measures) {
  Roles roles;
  const bool are_curves = std::ranges::all_of(measures, [](const StudyMeasure& one) { return one.task.empty(); });
  if (are_curves) {
    for (const StudyMeasure& one : measures) take_curves(roles, one);
    return roles;
  }
  const Family zeroshot = family_of(of_task(measures, kTaskZeroshot, "acc1"), "", "zero-shot");
  std::string main_dataset;
  if (zeroshot.main != nullptr) {
    main_dataset = zeroshot.main->dataset;
    roles.measures[Role::zeroshot] = measure_of(*zeroshot.main, "zero-shot");
    roles.variants = zeroshot.others;
    if (!zeroshot.others.empty()) {
      roles.measures[Role::variants] = mean_measure(zeroshot.others, "zero-shot", 6);
      std::vector<RoleMeasure> without = zeroshot.others;
      std::erase_if(without, [](const RoleMeasure& one) { return one.name == kReal; });
      if (!without.empty()) roles.measures[Role::variants_without_real] = mean_measure(without, "zero-shot", 5);
    }
  }
  take_fewshot(roles, of_task(measures, kTaskFewshot, "acc1"), main_dataset);
  const Family probe = family_of(of_task(measures, kTaskProbe, "acc1"), main_dataset, "linear probe");
  if (probe.main != nullptr) {
    roles.measures[Role::probe] = measure_of(*probe.main, "linear probe");
    roles.probe_variants = probe.others;
    if (!probe.others.empty()) {
      roles.measures[Role::probe_variants] = mean_measure(probe.others, "linear probe", 0);
    }
  }
  for (const auto& [role, metric, how] : {std::tuple{Role::image_to_text, "text_retrieval_recall@1", "image to text"},
                                          {Role::text_to_image, "image_retrieval_recall@1", "text to image"}}) {
    const auto found = of_task(measures, kTaskRetrieval, metric);
    if (found.empty()) continue;
    const auto coco = std::ranges::find_if(found, [](const StudyMeasure* one) { return shown(*one) == kCoco; });
    roles.measures[role] = measure_of(coco != found.end() ? **coco : *found.front(), how);
  }
  return roles;
}

}  // namespace clip_hpc
