#include "clip_hpc/study/rates.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/statistics.hpp"
#include "clip_hpc/base/text.hpp"
#include "clip_hpc/config/ini_file.hpp"
#include "clip_hpc/run/bench_lines.hpp"

namespace clip_hpc {

double RateTable::tflops_of(const std::string& model, const std::string& precision) const {
  const auto exact = by_model.find(model + " " + precision);
  return exact != by_model.end() ? exact->second : otherwise;
}

RateTable read_rates(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file)) {
    throw input_error("cannot open {}: make it with clip_hpc bench step --json FILE", file.native());
  }
  RateTable table;
  std::vector<double> all;
  int number = 0;
  for (const std::string& text : split_lines(read_text_file(file))) {
    ++number;
    const Json line = parse_json_or_discarded(text);
    if (line.is_discarded()) throw at_line(file, number, "is no JSON line: clip_hpc bench step --json writes them");
    const std::optional<MeasuredRate> rate = rate_of_line(line);
    if (!rate) continue;
    table.by_model[rate->model + " " + rate->precision] = rate->tflops;
    all.push_back(rate->tflops);
  }
  if (all.empty()) throw input_error("{} holds no line of clip_hpc bench step", file.native());
  table.otherwise = upper_median(all);
  return table;
}

}  // namespace clip_hpc
