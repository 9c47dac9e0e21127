// A panel of the catalogue as a figure: one function for each kind, and what they share.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "postprocess/figures/catalogue.hpp"
#include "postprocess/figures/panel_lines.hpp"
#include "postprocess/points/robustness.hpp"

namespace clip_hpc {

struct PanelData {
  const Panel& panel;
  const std::string& number;  // "8b"
  const Drawn& drawn;
  const RoleMeasure& measure;
};

Figure curve_figure(const PanelData& data);  // panel_curves.cpp
Figure bar_figure(const PanelData& data);    // panel_bars.cpp

// Accuracy on the set of `data` against that on the main one; `base`: the strategy that the line goes through.
Figure robustness_figure(const PanelData& data, const RoleMeasure& main, const Robustness& robust,
                         const std::string& base);  // panel_robustness.cpp

// The paper's own points over ours, where there are some of this panel.
void overlay_paper(const PanelData& data, const PaperPoints& paper, Figure& figure);  // panel_overlay.cpp

// Shared, panel_figures.cpp.
Figure panel_form(const Panel& panel, const std::string& number, const char* what);
std::string panel_note(const PanelData& data);
std::string capital(std::string text);
std::string error_words(const RoleMeasure& measure);
std::string accuracy_words(const RoleMeasure& measure);
const char* x_words(XAxis x);
const char* split_words(Split split);
void take(Series& series, double x, double y, double spread);
void tidy(Series& series);  // no error bars where no seed was repeated

}  // namespace clip_hpc
