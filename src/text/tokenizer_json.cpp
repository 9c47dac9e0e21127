#include "clip_hpc/text/tokenizer_json.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/text/lower_case.hpp"
#include "text/proto_field.hpp"

namespace clip_hpc {
namespace {

constexpr const char* kSpace = "\u2581";  // SentencePiece's sign for a space

enum PieceType : std::uint64_t { kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6 };

struct Piece {
  std::string text;
  float score = 0;
  std::uint64_t type = kNormal;
};

// The fields of sentencepiece_model.proto that decide how a text is encoded; its defaults.
struct SentencePieceModel {
  std::vector<Piece> pieces;
  std::uint64_t kind = 1;  // 1: unigram, 2: bpe
  bool byte_fallback = false, space_behind = false;
  std::string eos = "</s>", unknown = "<unk>";
  std::string_view charsmap;
  bool dummy_prefix = true, squeezes_spaces = true, escapes_spaces = true;
};

Piece parse_piece(std::string_view message) {
  Piece piece;
  while (const auto field = next_field(message)) {
    if (field->id == 1) piece.text = field->bytes;
    if (field->id == 2 && field->bytes.size() == 4) std::memcpy(&piece.score, field->bytes.data(), 4);
    if (field->id == 3) piece.type = field->number;
  }
  return piece;
}

SentencePieceModel parse_model(std::string_view message) {
  SentencePieceModel model;
  while (const auto field = next_field(message)) {
    std::string_view inner = field->bytes;
    if (field->id == 1) model.pieces.push_back(parse_piece(inner));
    if (field->id == 2) {  // TrainerSpec
      while (const auto spec = next_field(inner)) {
        if (spec->id == 3) model.kind = spec->number;
        if (spec->id == 24) model.space_behind = spec->number != 0;
        if (spec->id == 35) model.byte_fallback = spec->number != 0;
        if (spec->id == 45) model.unknown = spec->bytes;
        if (spec->id == 47) model.eos = spec->bytes;
      }
    }
    if (field->id == 3) {  // NormalizerSpec
      while (const auto spec = next_field(inner)) {
        if (spec->id == 2) model.charsmap = spec->bytes;
        if (spec->id == 3) model.dummy_prefix = spec->number != 0;
        if (spec->id == 4) model.squeezes_spaces = spec->number != 0;
        if (spec->id == 5) model.escapes_spaces = spec->number != 0;
      }
    }
  }
  if (!message.empty()) model.pieces.clear();  // cut short, or something else
  return model;
}

SentencePieceModel checked_model(std::string_view bytes, const std::string& name) {
  SentencePieceModel model = parse_model(bytes);
  const auto has = [&](std::uint64_t type) {
    return std::ranges::any_of(model.pieces, [=](const Piece& p) { return p.type == type; });
  };
  const char* problem = nullptr;
  if (model.pieces.empty())
    problem = "it is not a SentencePiece model";
  else if (model.kind != 1 && model.kind != 2)
    problem = "it is neither of kind bpe nor unigram";
  else if (has(kUserDefined) || has(kUnused))
    problem = "it has user-defined or unused pieces";
  else if (model.space_behind || !model.squeezes_spaces || !model.escapes_spaces)
    problem = "it treats spaces in an unusual way";
  else if (std::ranges::find(model.pieces, model.eos, &Piece::text) == model.pieces.end())
    problem = "it has no end token";
  if (problem != nullptr) throw input_error("{} cannot be written as a tokenizer.json: {}", name, problem);
  return model;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

Json replace(const char* kind, const std::string& pattern, const std::string& content) {
  return {{"type", "Replace"}, {"pattern", {{kind, pattern}}}, {"content", content}};
}

Json lowers(char c) { return replace("String", {c}, {static_cast<char>(c - 'A' + 'a')}); }

// What canonical_clean does, but for HTML and broken text.
constexpr const char* kAsciiPunctuation = "[!-/:-@\\[-`{-~]";

Json normalizer(const SentencePieceModel& model, Cleaning cleaning) {
  Json steps = Json::array();
  for (char c = 'A'; cleaning == Cleaning::lower_ascii && c <= 'Z'; ++c) steps.push_back(lowers(c));
  if (cleaning == Cleaning::canonical) {
    steps.push_back(replace("String", "_", " "));
    steps.push_back(replace("Regex", kAsciiPunctuation, ""));
    steps.push_back({{"type", "Lowercase"}});
    steps.push_back(replace("Regex", "\\s+", " "));
  }
  if (!model.charsmap.empty())
    steps.push_back({{"type", "Precompiled"}, {"precompiled_charsmap", base64(model.charsmap)}});
  steps.push_back(replace("Regex", "^ +| +$", ""));
  steps.push_back(replace("Regex", " {2,}", " "));
  return {{"type", "Sequence"}, {"normalizers", steps}};
}

// Every pair of pieces that make a piece. SentencePiece joins the pair with the best score, hence their order.
Json merges_of(const std::vector<Piece>& pieces) {
  std::unordered_map<std::string_view, std::size_t> ids;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].type == kNormal) ids.emplace(pieces[i].text, i);
  }
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].type == kNormal) order.push_back(i);
  }
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return pieces[a].score > pieces[b].score; });
  Json merges = Json::array();
  for (const std::size_t i : order) {
    const std::string_view text = pieces[i].text;
    std::vector<std::pair<std::size_t, std::size_t>> pairs;
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
      const auto left = ids.find(text.substr(0, cut)), right = ids.find(text.substr(cut));
      if (left != ids.end() && right != ids.end()) pairs.emplace_back(left->second, right->second);
    }
    std::ranges::sort(pairs);
    for (const auto& [left, right] : pairs) merges.push_back({pieces[left].text, pieces[right].text});
  }
  return merges;
}

Json model_json(const SentencePieceModel& model) {
  if (model.kind == 1) {
    Json vocab = Json::array();
    for (const Piece& piece : model.pieces) vocab.push_back({piece.text, piece.score});
    const auto unknown = std::ranges::find(model.pieces, std::uint64_t{kUnknown}, &Piece::type);
    return {{"type", "Unigram"},
            {"unk_id", unknown - model.pieces.begin()},
            {"vocab", vocab},
            {"byte_fallback", model.byte_fallback}};
  }
  Json vocab = Json::object();
  for (std::size_t i = 0; i < model.pieces.size(); ++i) vocab[model.pieces[i].text] = i;
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", model.unknown},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", true},
          {"byte_fallback", model.byte_fallback},
          {"ignore_merges", false},
          {"vocab", vocab},
          {"merges", merges_of(model.pieces)}};
}

}  // namespace

Json tokenizer_json(std::string_view bytes, const std::string& name) {
  const SentencePieceModel model = checked_model(bytes, name);
  const auto eos_id = std::ranges::find(model.pieces, model.eos, &Piece::text) - model.pieces.begin();
  const Json eos = {{"SpecialToken", {{"id", model.eos}, {"type_id", 0}}}};
  const auto sequence = [](const char* id) { return Json{{"Sequence", {{"id", id}, {"type_id", 0}}}}; };
  const Json space = {{"type", "Metaspace"},
                      {"replacement", kSpace},
                      {"prepend_scheme", model.dummy_prefix ? "always" : "never"},
                      {"split", true}};
  const Json added = {{"id", eos_id},    {"content", model.eos}, {"single_word", false}, {"lstrip", false},
                      {"rstrip", false}, {"normalized", false},  {"special", true}};
  const Json special = {{"id", model.eos}, {"ids", Json::array({eos_id})}, {"tokens", Json::array({model.eos})}};
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", Json::array({added})},
          {"normalizer", normalizer(model, stated_cleaning(bytes).value_or(Cleaning::lower_ascii))},
          {"pre_tokenizer", space},
          {"post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {sequence("A"), eos}},
            {"pair", {sequence("A"), eos, sequence("B"), eos}},
            {"special_tokens", {{model.eos, special}}}}},
          {"decoder", {{"type", "Sequence"}, {"decoders", {{{"type", "ByteFallback"}}, {{"type", "Fuse"}}, space}}}},
          {"model", model_json(model)}};
}

bool lowers_case(const Json& tokenizer) {
  // A normalizer stands alone or in a sequence.
  const auto found = tokenizer.find("normalizer");
  if (found == tokenizer.end() || !found->is_object()) return false;
  const Json steps = found->value("normalizers", Json::array({*found}));
  return std::ranges::any_of(steps, [](const Json& one) {
    return one == lowers('A') || (one.is_object() && one.value("type", "") == "Lowercase");
  });
}

Json tokenizer_config_json(std::string_view bytes, const std::string& name, std::int64_t context) {
  const SentencePieceModel model = checked_model(bytes, name);
  return {{"tokenizer_class", "PreTrainedTokenizerFast"},
          {"eos_token", model.eos},
          {"pad_token", model.eos},
          {"unk_token", model.unknown},
          {"model_max_length", context},
          {"padding_side", "right"},
          {"truncation_side", "right"},
          {"clean_up_tokenization_spaces", false},
          {"model_input_names", {"input_ids", "attention_mask"}}};
}

}  // namespace clip_hpc
