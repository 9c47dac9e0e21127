// What one image-text pair costs in forward multiply-adds, as the models say it themselves: read off docs/models.md,
// which is generated from the models and built into the program, or asked of clip_hpc.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

// Multiply-adds of a tower as a polynomial of its tokens. All are whole numbers, and so are sums of them below 2^53.
struct TowerCost {
  double fixed = 0, per_token = 0, per_token_squared = 0;
  double macs(std::int64_t tokens) const;
};

struct ModelCost {
  std::string model = {};  // stem of its file
  std::int64_t image_size = 0;
  std::int64_t patches = 0;  // of an image; 0: none of them can be left out
  std::int64_t context = 0;  // positions of a text
  std::int64_t parameters = 0;
  TowerCost image = {};  // tokens: the patches that are kept
  TowerCost text = {};
  // Of a pair whose image is encoded in `views` views.
  double macs(std::int64_t kept, std::int64_t text_tokens, int views = 1) const {
    return views * image.macs(kept) + text.macs(text_tokens);
  }
};

// Patches of an image that a strategy keeps: all but FLIP's `mask_ratio` of them, at least one.
std::int64_t kept_patches(const ModelCost& model, const std::string& strategy, double mask_ratio);

struct PairShape {  // how a run sees its pairs
  std::string strategy = {};
  double mask_ratio = 0.5;
  double unmasked = 0;          // share of the run in which images are whole
  std::int64_t image_size = 0;  // of the other share; 0: the model's
  int views = 1;
};
// Forward multiply-adds of a pair, on average over the run, with all positions of the text. An image of another size
// has fewer patches, or, where there are none, a cost by its pixels.
double pair_macs(const ModelCost& model, const PairShape& shape);

// How often a strategy encodes an image: SLIP three times, where the paper counts twice the whole (study.cost = 2 of a
// grid). Its head, 0.5 % of a ViT-B/32, is not counted.
int views_of(const std::string& strategy);

struct ModelRow {
  ModelCost cost;
  std::string file_hash;  // xxh64 of the JSON file, 16 digits
};
std::vector<ModelRow> parse_models_page(std::string_view markdown);  // throws internal: the page is part of the program

// Of the page, where a row was made from a file with exactly this content. An edited file is another model.
std::optional<ModelCost> cost_on_page(const std::filesystem::path& file);

// One object of `clip_hpc model FILE --json`. Throws input, naming what it lacks.
ModelCost cost_from_json(const Json& json, const std::string& model);

// Asks `program model FILE --json`. Nothing where there is no such program. Throws input where it refuses the model,
// with its own words.
std::optional<ModelCost> ask_cost(const std::string& program, const std::filesystem::path& file);

std::string clip_hpc_program();  // beside this program, else "clip_hpc" on PATH

// Of the page, else asked. Nothing where neither knows it. Throws input where the file does not exist or clip_hpc
// refuses it.
std::optional<ModelCost> find_cost(const std::filesystem::path& file);

}  // namespace clip_hpc
