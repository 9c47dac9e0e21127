// Where the program speaks: rank 0 to standard error and log.txt, other ranks warnings only. Library code calls these;
// only main decides where the lines go.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string_view>
#include <utility>

namespace clip_hpc {

struct LogOptions {
  int rank = 0;
  std::filesystem::path file;  // empty: standard error only
};

void start_log(const LogOptions& options);
bool is_logging_rank();                   // whether log_line says anything
void log_line(std::string_view text);     // progress and results; rank 0
void log_warning(std::string_view text);  // any rank, prefixed "warning:" and the rank

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log_warning(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace clip_hpc
