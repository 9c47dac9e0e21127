#include "clip_hpc/study/cost.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/process.hpp"
#include "clip_hpc/base/text.hpp"

namespace clip_hpc {

extern const char* const kModelsPage;  // docs/models.md; written by cmake/EmbedText.cmake

namespace {

// Columns of the table in docs/models.md that clip_study reads; that page has others for people.
constexpr const char* kModel = "model";
constexpr const char* kFileHash = "file hash";
struct WholeColumn {
  const char* name;
  void (*set)(ModelCost&, std::int64_t);
};
constexpr WholeColumn kWholeColumns[] = {
    {"image size", [](ModelCost& cost, std::int64_t value) { cost.image_size = value; }},
    {"patches", [](ModelCost& cost, std::int64_t value) { cost.patches = value; }},
    {"context", [](ModelCost& cost, std::int64_t value) { cost.context = value; }},
    {"parameters", [](ModelCost& cost, std::int64_t value) { cost.parameters = value; }},
    {"image fixed", [](ModelCost& cost, std::int64_t value) { cost.image.fixed = static_cast<double>(value); }},
    {"image per patch", [](ModelCost& cost, std::int64_t value) { cost.image.per_token = static_cast<double>(value); }},
    {"image per patch²",
     [](ModelCost& cost, std::int64_t value) { cost.image.per_token_squared = static_cast<double>(value); }},
    {"text fixed", [](ModelCost& cost, std::int64_t value) { cost.text.fixed = static_cast<double>(value); }},
    {"text per token", [](ModelCost& cost, std::int64_t value) { cost.text.per_token = static_cast<double>(value); }},
    {"text per token²",
     [](ModelCost& cost, std::int64_t value) { cost.text.per_token_squared = static_cast<double>(value); }},
};

std::vector<std::string> cells_of(std::string_view line) {  // "| a | `b` |" -> a, b
  std::vector<std::string> cells;
  line.remove_prefix(1);
  for (const std::string_view cell : split_text(line, '|')) cells.emplace_back(trim(cell, " \t`\r"));
  if (!cells.empty()) cells.pop_back();  // behind the last bar
  return cells;
}

std::int64_t whole_in(const std::string& text, const std::string& where) {
  std::int64_t value = -1;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc{} || end != text.data() + text.size()) {
    throw internal_error("docs/models.md: {} is no whole number: \"{}\"", where, text);
  }
  return value;
}

ModelRow row_of(const std::map<std::string, std::string>& cells) {
  ModelRow row;
  row.cost.model = cells.at(kModel);
  row.file_hash = cells.at(kFileHash);
  for (const WholeColumn& column : kWholeColumns) {
    column.set(row.cost, whole_in(cells.at(column.name), row.cost.model + ", " + column.name));
  }
  return row;
}

bool is_head(const std::vector<std::string>& cells) {
  const auto has = [&](const char* name) { return std::ranges::find(cells, name) != cells.end(); };
  return has(kModel) && has(kFileHash) &&
         std::ranges::all_of(kWholeColumns, [&](const WholeColumn& column) { return has(column.name); });
}

const std::vector<ModelRow>& page_rows() {
  static const std::vector<ModelRow> rows = parse_models_page(kModelsPage);
  return rows;
}

TowerCost tower_from_json(const Json& json) {
  return {json.at("fixed").get<double>(), json.at("per_token").get<double>(),
          json.at("per_token_squared").get<double>()};
}

}  // namespace

double TowerCost::macs(std::int64_t tokens) const {
  const auto n = static_cast<double>(tokens);
  return fixed + per_token * n + per_token_squared * n * n;
}

int views_of(const std::string& strategy) { return strategy == "slip" ? 3 : 1; }

std::int64_t kept_patches(const ModelCost& model, const std::string& strategy, double mask_ratio) {
  if (strategy != "flip" || model.patches == 0) return model.patches;
  const double fraction = 1.0 - mask_ratio;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(model.patches) * fraction));
}

double pair_macs(const ModelCost& model, const PairShape& shape) {
  const double side = shape.image_size > 0 && model.image_size > 0
                          ? static_cast<double>(shape.image_size) / static_cast<double>(model.image_size)
                          : 1;
  ModelCost small = model;
  small.patches = std::llround(static_cast<double>(model.patches) * side * side);
  const std::int64_t kept = kept_patches(small, shape.strategy, shape.mask_ratio);
  const double by_pixels = model.patches == 0 ? side * side : 1;
  const double text = model.text.macs(model.context);
  const double less = shape.views * model.image.macs(kept) * by_pixels;
  const double whole = shape.views * model.image.macs(model.patches);
  if (shape.unmasked == 0) return less + text;
  return (1 - shape.unmasked) * less + shape.unmasked * whole + text;
}

std::vector<ModelRow> parse_models_page(std::string_view markdown) {
  std::vector<ModelRow> rows;
  std::vector<std::string> head;
  for (const std::string_view whole : split_text(markdown, '\n')) {
    const std::string_view line = trim(whole);
    if (!line.starts_with('|')) {
      head.clear();
      continue;
    }
    const std::vector<std::string> cells = cells_of(line);
    if (head.empty()) {
      if (is_head(cells)) head = cells;
      continue;
    }
    if (line.find_first_not_of("|-: ") == std::string_view::npos) continue;  // below the head
    if (cells.size() != head.size()) throw internal_error("docs/models.md: \"{}\" has other columns", line);
    std::map<std::string, std::string> by_name;
    for (std::size_t i = 0; i < head.size(); ++i) by_name[head[i]] = cells[i];
    rows.push_back(row_of(by_name));
  }
  return rows;
}

std::optional<ModelCost> cost_on_page(const std::filesystem::path& file) {
  const std::string hash = hex64(xxh64_of_file(file));
  const auto row = std::ranges::find(page_rows(), hash, &ModelRow::file_hash);
  if (row == page_rows().end()) return std::nullopt;
  return row->cost;
}

ModelCost cost_from_json(const Json& json, const std::string& model) {
  try {
    const Json& one = json.is_array() ? json.at(0) : json;
    ModelCost cost;
    cost.model = model;
    cost.image_size = one.at("image_size").get<std::int64_t>();
    cost.patches = one.at("patches").get<std::int64_t>();
    cost.context = one.at("context").get<std::int64_t>();
    cost.parameters = one.at("parameters").at("total").get<std::int64_t>();
    cost.image = tower_from_json(one.at("macs").at("image"));
    cost.text = tower_from_json(one.at("macs").at("text"));
    return cost;
  } catch (const Json::exception& problem) {
    throw input_error("clip_hpc model --json of another version does not tell the cost of {}: {}", model,
                      problem.what());
  }
}

std::optional<ModelCost> ask_cost(const std::string& program, const std::filesystem::path& file) {
  const ProgramOutput told = run_program({program, "model", file.native(), "--json"});
  if (!told.has_started) return std::nullopt;
  if (told.exit_code != 0) {
    const std::vector<std::string> lines = split_lines(told.err);
    throw input_error("{} model {} --json: {}", program, file.native(),
                      lines.empty() ? fmt::format("exit code {}", told.exit_code) : lines.back());
  }
  const Json json = parse_json_or_discarded(told.out);
  if (json.is_discarded()) throw input_error("{} model {} --json wrote no JSON", program, file.native());
  return cost_from_json(json, file.stem().string());
}

std::string clip_hpc_program() {
  const std::filesystem::path beside = program_folder() / "clip_hpc";
  return std::filesystem::exists(beside) ? beside.native() : "clip_hpc";
}

std::optional<ModelCost> find_cost(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) {
    throw input_error("model.config: {} does not exist; configs/models/ holds the models that come with clip_hpc",
                      file.native());
  }
  if (const auto cost = cost_on_page(file)) return cost;
  return ask_cost(clip_hpc_program(), file);
}

}  // namespace clip_hpc
