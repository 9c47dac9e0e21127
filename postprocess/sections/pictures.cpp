#include "postprocess/sections/pictures.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <system_error>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "postprocess/read/number_text.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

constexpr std::size_t kMostPictures = 96;  // of one run: the page stays small enough to send by mail
constexpr std::uintmax_t kLargestPicture_bytes = 1 << 18;

const char* media_type(std::string_view bytes) {
  if (bytes.starts_with("\x89PNG\r\n")) return "image/png";
  if (bytes.starts_with("\xff\xd8\xff")) return "image/jpeg";
  if (bytes.starts_with("RIFF") && bytes.substr(0, 16).find("WEBP") == 8) return "image/webp";
  return nullptr;
}

// A results.json may come from somebody else: only pictures inside the run folder may enter a page that is passed on.
bool stays_inside(const fs::path& folder, const fs::path& file) {
  std::error_code problem;
  const fs::path root = fs::weakly_canonical(folder, problem);
  const fs::path whole = fs::weakly_canonical(folder / file, problem);
  return !problem && std::mismatch(root.begin(), root.end(), whole.begin(), whole.end()).first == root.end();
}

std::string picture_data(const RunRecord& run, const std::string& picture) {  // data: address; throws storage
  const fs::path file = run.folder.path / picture;
  if (!stays_inside(run.folder.path, picture)) throw storage_error("{} lies outside the run folder", picture);
  std::error_code problem;
  const std::uintmax_t size_bytes = fs::file_size(file, problem);
  if (problem) throw storage_error("{} is not there", picture);
  if (size_bytes > kLargestPicture_bytes) throw storage_error("{} is larger than 256 KiB", picture);
  const std::string bytes = read_text_file(file);
  const char* type = media_type(bytes);
  if (type == nullptr) throw storage_error("{} is not a PNG, JPEG or WebP picture", picture);
  return fmt::format("data:{};base64,{}", type, base64(bytes));
}

bool is_right(const Prediction& prediction) {
  return !prediction.names.empty() && prediction.names.front() == prediction.truth;
}

std::string picture_card(const RunRecord& run, const Prediction& prediction, std::vector<std::string>& problems) {
  std::string image;
  try {
    image = fmt::format("<img src=\"{}\" alt=\"{}\">", picture_data(run, prediction.picture),
                        escape_html(prediction.truth));
  } catch (const Error& problem) {
    problems.push_back(fmt::format("{}: picture {}", run.name, problem.what()));
    image = "<div class=\"nopicture\">no picture</div>";
  }
  const bool right = is_right(prediction);
  std::string text = fmt::format(
      "<li class=\"pic {}\"><span class=\"mark\" title=\"{}\">{}</span>{}<div class=\"truth\">{}</div><ol>",
      right ? "right" : "wrong", right ? "right" : "wrong", right ? "✓" : "✗", image, escape_html(prediction.truth));
  for (std::size_t i = 0; i < std::min<std::size_t>(prediction.names.size(), 3); ++i) {
    const bool hit = prediction.names[i] == prediction.truth;
    const double score = i < prediction.scores.size() ? prediction.scores[i] : std::nan("");
    // Softmax shares are shown as percent; cosines and logits may leave 0..1 and are shown as they are.
    text += fmt::format("<li{}><span>{}</span><b>{}</b></li>", hit ? " class=\"hit\"" : "",
                        escape_html(prediction.names[i]),
                        score >= 0 && score <= 1 ? fmt::format("{:.0f} %", 100 * score) : show_number(score));
  }
  return text + "</ol></li>\n";
}

// Of the newest step, the first: a run's first evaluation set is its main one.
const Result* newest_with_predictions(const RunRecord& run) {
  const Result* newest = nullptr;
  for (const Result& result : run.results) {
    if (!result.predictions.empty() && (newest == nullptr || result.step > newest->step)) newest = &result;
  }
  return newest;
}

}  // namespace

std::string picture_sheets(const std::vector<RunRecord>& runs, std::vector<std::string>& problems) {
  std::string text;
  const auto with_pictures =
      std::ranges::count_if(runs, [](const RunRecord& run) { return newest_with_predictions(run) != nullptr; });
  const bool folds = with_pictures > 2;  // sheets of many runs would bury what stands below
  for (const RunRecord& run : runs) {
    const Result* result = newest_with_predictions(run);
    if (result == nullptr) continue;
    if (folds) {
      text += fmt::format("<details{}><summary>{}</summary>", text.empty() ? " open" : "", escape_html(run.name));
    } else {
      text += fmt::format("<h3>{}</h3>", escape_html(run.name));
    }
    const auto& all = result->predictions;
    const std::size_t shown = std::min(all.size(), kMostPictures);
    const auto right = std::count_if(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), is_right);
    text += fmt::format(
        "<p class=\"note\">{}, step {}: {} of these {} pictures named right. Under each picture: its true "
        "name, then the three best names of the model.{}</p>\n<ul class=\"sheet\">\n",
        escape_html(result->dataset), result->step, right, shown,
        shown < all.size() ? fmt::format(" {} more are in results.json.", all.size() - shown) : "");
    for (std::size_t i = 0; i < shown; ++i) text += picture_card(run, all[i], problems);
    text += folds ? "</ul></details>\n" : "</ul>\n";
  }
  return text;
}

}  // namespace clip_hpc
