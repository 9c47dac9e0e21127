#include "postprocess/sections/figure_section.hpp"

#include <array>
#include <tuple>

#include <fmt/format.h>

#include "clip_hpc/base/file.hpp"
#include "postprocess/read/number_text.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {
namespace {

std::string link_to(const fs::path& file, const char* words) {
  const fs::path beside = file.parent_path().filename() / file.filename();
  return fmt::format(" <a href=\"{}\">{}</a>", escape_html(beside.string()), words);
}

}  // namespace

std::vector<std::string> figure_elements(std::span<const Figure> figures, const fs::path& gnuplot, const fs::path& data,
                                         std::span<const Format> formats, std::vector<std::string>& problems) {
  constexpr std::array kWords{"SVG", "PNG", "PDF"};
  std::vector<std::string> elements;
  const std::vector<Drawing> drawings = draw_figures(figures, gnuplot, formats, data);
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const Figure& figure = figures[i];
    const fs::path csv = data / (figure.id + ".csv");
    write_file_atomic(csv, csv_of(figure));
    if (!drawings[i].problem.empty()) {
      problems.push_back(fmt::format("figure \"{}\" could not be drawn: {}", figure.title, drawings[i].problem));
      elements.emplace_back();
      continue;
    }
    std::string links = link_to(csv, "CSV");
    for (const Format format : formats) {
      links += link_to(data / (figure.id + suffix_of(format)), kWords[static_cast<std::size_t>(format)]);
    }
    const std::string note = figure.note.empty() ? "" : "<p class=\"note\">" + escape_html(figure.note) + "</p>\n";
    elements.push_back(fmt::format("<figure><figcaption>{}<span>{}</span></figcaption>\n{}{}</figure>\n",
                                   escape_html(figure.title), links, drawings[i].svg, note));
  }
  return elements;
}

std::string not_drawn_section(std::span<const NotDrawn> not_drawn) {
  if (not_drawn.empty()) return "";
  std::string text = fmt::format(
      "<details><summary>{} panels of the paper that this study does not allow</summary>\n<ul>\n", not_drawn.size());
  for (const NotDrawn& one : grouped(not_drawn)) {
    text += fmt::format("<li>{}: {}</li>\n", escape_html(one.id), escape_html(one.reason));
  }
  return text + "</ul></details>\n";
}

std::string table_section(std::span<const Table> tables, const fs::path& data) {
  std::string text;
  for (const Table& table : tables) {
    std::string links;
    for (const auto& [suffix, words, content] : {std::tuple{".csv", "CSV", csv_of(table)},
                                                 {".md", "Markdown", markdown_of(table)},
                                                 {".tex", "LaTeX", latex_of(table)}}) {
      const fs::path file = data / ("table_" + table.id + suffix);
      write_file_atomic(file, content);
      links += link_to(file, words);
    }
    text += fmt::format("<details><summary>{} ({} rows)</summary>\n<p class=\"note\">{}</p>\n{}</details>\n",
                        escape_html(table.title), table.rows.size(), links, html_of(table));
  }
  return text;
}

}  // namespace clip_hpc
