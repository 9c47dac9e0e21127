// The figures of "Scaling (Down) CLIP" (Li, Xie, Cubuk; arXiv 2404.08197) as data, made of the points of any study: a
// panel says what is drawn against what, a line for each of what, and of which points.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "postprocess/figures/figures.hpp"
#include "postprocess/points/robustness.hpp"
#include "postprocess/points/roles.hpp"

namespace clip_hpc {

enum class Kind { lines, bars, scatter };  // error, log or plain axes; accuracy; accuracy against accuracy
enum class XAxis { compute, set, epochs, quality, time };
enum class Split { everything, towers, families, strategies, augmentations, sets };  // a line for each
enum class Pick { one_epoch, same_samples, several_epochs, equal_epochs, any };

struct Panel {
  const char* number;  // "8b"; of those with `each_set` the figure: "21"; "8t": not the paper's
  Kind kind = Kind::lines;
  Role role = Role::zeroshot;
  XAxis x = XAxis::set;
  Split split = Split::towers;
  Pick pick = Pick::one_epoch;
  bool log = false;
  bool each_set = false;  // a panel for each set beside the main one: 21a, 21b …
};
std::span<const Panel> catalogue();

using PaperPoints = std::map<std::string, std::vector<StudyPoint>>;  // of read_panels

struct CatalogueOptions {
  Scale scale = Scale::logit;  // of the lines of robustness
  PaperPoints overlay;         // the paper's own points, drawn where they are of the same measure
};

struct NotDrawn {
  std::string id;  // "8b"
  std::string reason;
};

struct PaperFigures {
  std::vector<Figure> figures;  // id: fig08b_compute
  std::vector<NotDrawn> not_drawn;
};

PaperFigures paper_figures(const Roles& roles, const CatalogueOptions& options = {});

// "clip", or the most frequent strategy where there is none.
std::string base_strategy(const Roles& roles);

// One line a reason, with the numbers it holds for: "6a to 6d: no few-shot classification".
std::vector<NotDrawn> grouped(std::span<const NotDrawn> not_drawn);

}  // namespace clip_hpc
