#include "clip_hpc/base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

#include "clip_hpc/base/error.hpp"

namespace clip_hpc {
namespace {

std::atomic<int> g_rank{0};  // set by main; read by the thread that waits for signals, too

}  // namespace

void start_log(const LogOptions& options) {
  g_rank = options.rank;
  std::vector<spdlog::sink_ptr> sinks{std::make_shared<spdlog::sinks::stderr_sink_mt>()};
  if (!options.file.empty() && options.rank == 0) {
    try {
      sinks.push_back(std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.file.string()));
    } catch (const spdlog::spdlog_ex& problem) {
      throw storage_error("cannot write the log {}: {}", options.file.native(), problem.what());
    }
  }
  auto logger = std::make_shared<spdlog::logger>("clip_hpc", sinks.begin(), sinks.end());
  logger->set_pattern("%v");
  if (sinks.size() > 1) sinks[1]->set_pattern("%Y-%m-%d %H:%M:%S %v");
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

bool is_logging_rank() { return g_rank == 0; }

void log_line(std::string_view text) {
  if (g_rank == 0) spdlog::info("{}", text);
}

void log_warning(std::string_view text) {
  if (g_rank == 0) {
    spdlog::warn("warning: {}", text);
  } else {
    spdlog::warn("warning (rank {}): {}", g_rank.load(), text);
  }
}

}  // namespace clip_hpc
