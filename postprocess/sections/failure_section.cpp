#include "postprocess/sections/failure_section.hpp"

#include <fmt/format.h>

#include "postprocess/html/html_table.hpp"

namespace clip_hpc {

std::string failure_section(std::span<const Entry> entries, std::span<const std::string> broken) {
  HtmlTable table{.id = "failed",
                  .columns = {{"cell", true},
                              {"stage", true, true},
                              {"state", true, true},
                              {"last error in its log", true},
                              {"exit code"},
                              {"failed attempts"},
                              {"lost"},
                              {"last node", true},
                              {"ended", true}},
                  .rows = {},
                  .foot = {},
                  .row_word = "stages"};
  const auto number = [](std::int64_t value) {
    return number_field(static_cast<double>(value), fmt::format("{}", value));
  };
  for (const Entry& entry : entries) {
    if (entry.cell == nullptr) continue;
    for (const StageNote& note : entry.cell->stages) {
      if (!note.has_trouble()) continue;
      const StateKind kind = kind_of(note.state);
      const bool has_ended = kind == StateKind::failed || kind == StateKind::stopped;
      table.rows.push_back(
          {text_field(entry.name),
           text_field(note.stage),
           {fmt::format("<span class=\"state s-{}\">{}</span>", name_of(kind), escape_html(note.state)), kNoNumber},
           {note.reason.empty() ? "" : "<span class=\"message\">" + escape_html(note.reason) + "</span>", kNoNumber},
           has_ended && note.state != "lost" ? number(note.exit_code) : Field{},
           number(note.attempts),
           number(note.lost),
           text_field(note.host),
           text_field(note.ended)});
    }
  }
  std::string text;
  if (!table.rows.empty()) {
    text +=
        to_html(table) +
        "<p class=\"note\">Failed attempts and lost runners count since the cell was last begun anew; a stage that is "
        "done in spite of them is listed too. Its log is cells/CELL/STAGE.log.</p>\n";
  }
  if (!broken.empty()) {
    text += "<ul class=\"gaps\">\n";
    for (const std::string& problem : broken) text += fmt::format("<li class=\"none\">{}</li>\n", escape_html(problem));
    text += "</ul>\n";
  }
  return text.empty() ? "<p>Nothing failed, and every file could be read.</p>\n" : text;
}

}  // namespace clip_hpc
