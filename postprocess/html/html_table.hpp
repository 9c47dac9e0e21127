// Tables of the page: plain without script; with it they are sorted by any column and filtered (page_script.hpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "postprocess/read/number_text.hpp"

namespace clip_hpc {

struct Field {
  std::string html;           // empty: nothing is known, shown as "–" and sorted last
  double number = kNoNumber;  // what is sorted by; not finite: the text
};
Field text_field(std::string_view text);  // escaped
Field number_field(double number, const std::string& shown);
Field count_field(double number);  // 12.3 k; NaN: nothing
Field hours_field(double hours);

struct Column {
  std::string name;
  bool is_text = false;
  bool has_menu = false;   // a menu of its values above the table
  bool is_detail = false;  // left out on paper, with all columns behind it
};

struct HtmlTable {
  std::string id;
  std::vector<Column> columns;
  std::vector<std::vector<Field>> rows;
  std::vector<Field> foot;
  bool is_sortable = true;
  std::string row_word = "rows";  // "300 runs"
};

// Columns in which no row has anything are left out. The first column names the row.
std::string to_html(const HtmlTable& table);

}  // namespace clip_hpc
