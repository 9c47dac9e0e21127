#include "clip_hpc/data/packed/packed_home.hpp"

#include <fmt/format.h>

#include <mutex>
#include <set>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHome = "data/packed";
constexpr const char* kOldHome = "packed";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

// from/X -> to/X; empty for a path that is not below `from`.
fs::path moved(const fs::path& named, const char* from, const char* to) {
  const fs::path path = without_slash(named.lexically_normal());
  const fs::path inside = path.is_relative() ? path.lexically_relative(from) : fs::path();
  if (inside.empty() || *inside.begin() == "..") return {};
  return inside == "." ? fs::path(to) : to / inside;
}

void say_once(const fs::path& old, const fs::path& named) {
  static std::mutex mutex;
  static std::set<std::string> said;
  const std::scoped_lock lock(mutex);
  if (said.insert(old.native()).second) {
    log_info("{} is used, since {} does not exist (packed sets belong into data/packed)", old.native(), named.native());
  }
}

}  // namespace

fs::path packed_path(const fs::path& named) {
  if (is_there(named)) return named;
  fs::path old = moved(named, kHome, kOldHome);
  if (old.empty() || !is_there(old)) return named;
  say_once(old, named);
  return old;
}

std::string packed_hint(const fs::path& named) {
  const fs::path home = moved(named, kOldHome, kHome);
  return home.empty() || !is_there(home) ? "" : fmt::format("; {} exists", home.native());
}

}  // namespace clip_hpc
