#include "postprocess/html/html_table.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "postprocess/read/number_text.hpp"

namespace clip_hpc {
namespace {

constexpr std::string_view kNothing = "–";
constexpr std::size_t kLong = 15;  // rows; a longer table scrolls under its head

bool is_empty(const Field& field) { return field.html.empty(); }

std::string element_of(const Field& field, const Column& column, bool is_head) {
  const char* tag = is_head ? "th scope=\"row\"" : "td";
  std::string text = fmt::format("<{}", tag);
  if (column.is_text && !is_head) text += " class=\"text\"";
  if (std::isfinite(field.number)) text += fmt::format(" data-v=\"{:.10g}\"", field.number);
  return text + ">" + (is_empty(field) ? std::string(kNothing) : field.html) + (is_head ? "</th>" : "</td>");
}

}  // namespace

Field text_field(std::string_view text) { return {escape_html(text), kNoNumber}; }

Field number_field(double number, const std::string& shown) {
  return std::isfinite(number) ? Field{escape_html(shown), number} : Field{};
}

Field count_field(double number) { return number_field(number, show_count(number)); }

Field hours_field(double hours) { return number_field(hours, show_hours(hours)); }

std::string to_html(const HtmlTable& table) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const auto has_it = [&](const std::vector<Field>& row) { return i < row.size() && !is_empty(row[i]); };
    if (i == 0 || std::ranges::any_of(table.rows, has_it)) kept.push_back(i);
  }
  std::string text;
  const auto is_detail = [&](std::size_t i) { return table.columns[i].is_detail; };
  if (const auto detail = std::ranges::find_if(kept, is_detail); detail != kept.end()) {
    text = fmt::format("<style>@media print {{ #{} tr > :nth-child(n+{}) {{ display: none; }} }}</style>\n",
                       escape_html(table.id), detail - kept.begin() + 1);
  }
  text += fmt::format(
      "<div class=\"scroll{}\"><table id=\"{}\"{}><thead><tr>", table.rows.size() > kLong ? " long" : "",
      escape_html(table.id),
      table.is_sortable ? fmt::format(" class=\"sortable\" data-word=\"{}\"", escape_html(table.row_word)) : "");
  for (const std::size_t i : kept) {
    const Column& column = table.columns[i];
    text += fmt::format("<th scope=\"col\"{}{}>{}</th>", column.is_text ? " class=\"text\"" : "",
                        column.has_menu ? " data-menu" : "", escape_html(column.name));
  }
  text += "</tr></thead><tbody>\n";
  const auto add = [&](const std::vector<Field>& row) {
    text += "<tr>";
    for (const std::size_t i : kept) {
      text += element_of(i < row.size() ? row[i] : Field{}, table.columns[i], i == 0);
    }
    text += "</tr>\n";
  };
  for (const auto& row : table.rows) add(row);
  text += "</tbody>";
  if (!table.foot.empty()) {
    text += "<tfoot>";
    add(table.foot);
    text += "</tfoot>";
  }
  return text + "</table></div>\n";
}

}  // namespace clip_hpc
