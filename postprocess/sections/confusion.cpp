#include "postprocess/sections/confusion.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <system_error>
#include <tuple>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/json.hpp"
#include "postprocess/read/number_text.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::size_t kWorst = 10;       // classes in the table
constexpr std::size_t kNamed = 3;        // mistakes of each
constexpr std::size_t kWhole = 40;       // up to so many classes the whole matrix is drawn
constexpr std::size_t kConfused = 25;    // else so many, the most confused
constexpr std::size_t kLetters = 22;     // of a name beside the matrix
constexpr int kCell = 14, kLabel = 150;  // pixels

struct Confusion {
  std::string title;
  std::vector<std::string> truths, names;
  std::map<std::pair<std::size_t, std::size_t>, std::int64_t> counts;  // (truth, name)
  std::vector<std::int64_t> n;                                         // samples of each truth
  bool is_right(std::size_t truth, std::size_t name) const { return truths[truth] == names[name]; }
};

Confusion read_confusion(const fs::path& file) {
  const Json json = read_json_file(file);
  Confusion confusion;
  try {
    confusion.title = json.at("dataset").get<std::string>();
    for (const char* part : {"label", "variant"}) {
      if (const std::string word = json.value(part, ""); !word.empty()) confusion.title += ", " + word;
    }
    confusion.title += fmt::format(", step {}", json.at("step").get<std::int64_t>());
    confusion.truths = json.at("truths").get<std::vector<std::string>>();
    confusion.names = json.at("names").get<std::vector<std::string>>();
    confusion.n.resize(confusion.truths.size());
    for (const Json& entry : json.at("counts")) {
      const auto truth = entry.at(0).get<std::size_t>(), name = entry.at(1).get<std::size_t>();
      const auto times = entry.at(2).get<std::int64_t>();
      confusion.n.at(truth) += times;
      confusion.names.at(name);  // throws where there is none
      confusion.counts[{truth, name}] += times;
    }
  } catch (const Json::exception& problem) {
    throw storage_error("{} is no confusion matrix: {}", file.native(), problem.what());
  } catch (const std::out_of_range&) {
    throw storage_error("{} is no confusion matrix: it counts classes that it does not name", file.native());
  }
  return confusion;
}

struct Mistake {
  std::size_t truth, name;
  std::int64_t times;
};

// Most frequent first.
std::vector<Mistake> mistakes_of(const Confusion& confusion) {
  std::vector<Mistake> mistakes;
  for (const auto& [pair, times] : confusion.counts) {
    if (!confusion.is_right(pair.first, pair.second)) mistakes.push_back({pair.first, pair.second, times});
  }
  std::ranges::stable_sort(mistakes, std::ranges::greater{}, &Mistake::times);
  return mistakes;
}

std::string worst_classes(const Confusion& confusion, const std::vector<Mistake>& mistakes) {
  std::vector<std::int64_t> wrong(confusion.truths.size());
  for (const Mistake& one : mistakes) wrong[one.truth] += one.times;
  std::vector<std::size_t> order;
  for (std::size_t truth = 0; truth < wrong.size(); ++truth) {
    if (wrong[truth] > 0) order.push_back(truth);
  }
  const auto recall = [&](std::size_t truth) {
    return 1 - static_cast<double>(wrong[truth]) / static_cast<double>(confusion.n[truth]);
  };
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return std::tuple(recall(a), -wrong[a]) < std::tuple(recall(b), -wrong[b]);
  });
  if (order.size() > kWorst) order.resize(kWorst);
  std::string text =
      "<div class=\"scroll\"><table><thead><tr><th>worst classes</th><th>images</th><th>recall</th>"
      "<th>taken for</th></tr></thead><tbody>\n";
  for (const std::size_t truth : order) {
    std::string taken;
    std::size_t shown = 0;
    for (const Mistake& one : mistakes) {
      if (one.truth != truth || shown == kNamed) continue;
      taken += fmt::format("{}{} ({})", shown++ == 0 ? "" : ", ", confusion.names[one.name], one.times);
    }
    text += fmt::format("<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n", escape_html(confusion.truths[truth]),
                        confusion.n[truth], escape_html(show_percent(recall(truth))), escape_html(taken));
  }
  return text + "</tbody></table></div>\n";
}

// Rows and columns of the drawing.
struct Chosen {
  std::vector<std::size_t> truths, names;
  bool whole = true;
};

Chosen choose(const Confusion& confusion, const std::vector<Mistake>& mistakes) {
  std::set<std::size_t> truths, names;
  for (const auto& [pair, times] : confusion.counts) {
    truths.insert(pair.first);
    names.insert(pair.second);
  }
  Chosen chosen;
  const bool same = confusion.truths == confusion.names;  // then both sides show the same classes
  if (same) truths.insert(names.begin(), names.end());
  chosen.whole = truths.size() <= kWhole && names.size() <= kWhole;
  if (!chosen.whole) {
    truths.clear();
    names.clear();
    for (const Mistake& one : mistakes) {
      if (truths.size() + (same ? 2 : 1) > kConfused || names.size() + 1 > kConfused) break;
      truths.insert(one.truth);
      (same ? truths : names).insert(one.name);
    }
  }
  if (same) names = truths;
  chosen.truths.assign(truths.begin(), truths.end());
  chosen.names.assign(names.begin(), names.end());
  return chosen;
}

std::string shortened(const std::string& name) {
  std::size_t letters = 0, end = 0;
  while (end < name.size() && letters < kLetters) {
    ++end;
    while (end < name.size() && (static_cast<unsigned char>(name[end]) & 0xC0) == 0x80) ++end;
    ++letters;
  }
  return escape_html(end == name.size() ? name : name.substr(0, end) + "…");
}

std::string matrix(const Confusion& confusion, const Chosen& chosen) {
  const int width = kLabel + kCell * static_cast<int>(chosen.names.size()) + 2;
  const int height = kLabel + kCell * static_cast<int>(chosen.truths.size()) + 2;
  std::string svg = fmt::format(
      "<svg class=\"confusion\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" font-size=\"10\" "
      "fill=\"currentColor\"><title>confusion matrix</title>\n",
      width, height);
  for (std::size_t column = 0; column < chosen.names.size(); ++column) {
    const int x = kLabel + kCell * static_cast<int>(column) + kCell - 3;
    svg += fmt::format("<text x=\"{0}\" y=\"{1}\" transform=\"rotate(-90 {0} {1})\">{2}</text>\n", x, kLabel - 4,
                       shortened(confusion.names[chosen.names[column]]));
  }
  for (std::size_t row = 0; row < chosen.truths.size(); ++row) {
    const std::size_t truth = chosen.truths[row];
    const int y = kLabel + kCell * static_cast<int>(row);
    svg += fmt::format("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", kLabel - 4, y + kCell - 4,
                       shortened(confusion.truths[truth]));
    for (std::size_t column = 0; column < chosen.names.size(); ++column) {
      const auto found = confusion.counts.find({truth, chosen.names[column]});
      if (found == confusion.counts.end()) continue;
      const double share = static_cast<double>(found->second) / static_cast<double>(confusion.n[truth]);
      svg += fmt::format(
          "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" fill-opacity=\"{:.2f}\"><title>{}: {} of {} "
          "named {}</title></rect>\n",
          kLabel + kCell * static_cast<int>(column), y, kCell - 1, kCell - 1,
          confusion.is_right(truth, chosen.names[column]) ? "#0b62a4" : "#c2410c", 0.1 + 0.9 * share,
          escape_html(confusion.truths[truth]), found->second, confusion.n[truth],
          escape_html(confusion.names[chosen.names[column]]));
    }
  }
  svg += fmt::format(
      "<rect x=\"{0}\" y=\"{0}\" width=\"{1}\" height=\"{2}\" fill=\"none\" stroke=\"currentColor\" "
      "stroke-opacity=\"0.4\"/></svg>\n",
      kLabel - 1, width - kLabel - 1, height - kLabel - 1);
  return svg;
}

std::string section(const RunRecord& run, const Confusion& confusion) {
  const std::vector<Mistake> mistakes = mistakes_of(confusion);
  std::string text = fmt::format("<h3>{}: {}</h3>\n", escape_html(run.name), escape_html(confusion.title));
  if (mistakes.empty()) return text + "<p class=\"note\">No mistake.</p>\n";
  text += worst_classes(confusion, mistakes);
  const Chosen chosen = choose(confusion, mistakes);
  text += fmt::format(
      "<p class=\"note\">Rows: what an image is; columns: what it was named. The darker, the larger the share of the "
      "row; blue is right. {}</p>\n<div class=\"scroll\">{}</div>\n",
      chosen.whole ? fmt::format("All {} classes that occur.", chosen.truths.size())
                   : fmt::format("The {} most confused of {} classes.", chosen.truths.size(), confusion.truths.size()),
      matrix(confusion, chosen));
  return text;
}

}  // namespace

std::string confusion_sections(const std::vector<RunRecord>& runs, std::vector<std::string>& problems) {
  std::string text;
  for (const RunRecord& run : runs) {
    std::vector<fs::path> files;
    std::error_code ignored;
    for (fs::directory_iterator entry(run.folder.path / "per_class", ignored), end; !ignored && entry != end;
         entry.increment(ignored)) {
      if (entry->path().filename().string().ends_with("_confusion.json")) files.push_back(entry->path());
    }
    std::ranges::sort(files);
    for (const fs::path& file : files) {
      try {
        text += section(run, read_confusion(file));
      } catch (const Error& problem) {
        problems.push_back(problem.what());
      }
    }
  }
  return text;
}

}  // namespace clip_hpc
