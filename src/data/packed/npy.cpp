#include "clip_hpc/data/packed/npy.hpp"

#include <bit>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

static_assert(std::endian::native == std::endian::little);

// The value of a key in the header, a Python dictionary as NumPy itself prints it.
std::string_view value_of(std::string_view header, std::string_view key) {
  const auto at = header.find("'" + std::string(key) + "':");
  if (at == std::string_view::npos) return {};
  std::string_view value = header.substr(at + key.size() + 3);
  while (value.starts_with(' ')) value.remove_prefix(1);
  int depth = 0;
  bool quoted = false;
  std::size_t end = 0;
  for (; end < value.size(); ++end) {
    const char c = value[end];
    if (c == '\'') quoted = !quoted;
    if (quoted) continue;
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
    if (depth < 0 || (depth == 0 && (c == ',' || c == '}'))) break;
  }
  return value.substr(0, end);
}

// Bytes of one element: the sum of all numbers behind a kind letter.
std::uint64_t element_bytes(std::string_view descr) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i + 2 < descr.size(); ++i) {
    const bool begins = descr[i] == '<' || descr[i] == '|';
    if (begins && std::string_view("fuib").find(descr[i + 1]) != std::string_view::npos) {
      sum += static_cast<std::uint64_t>(descr[i + 2] - '0');
    }
  }
  return sum;
}

std::vector<std::uint64_t> shape_of(std::string_view text) {
  std::vector<std::uint64_t> shape;
  bool inside = false;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      if (!inside) shape.push_back(0);
      shape.back() = shape.back() * 10 + static_cast<std::uint64_t>(c - '0');
      inside = true;
    } else {
      inside = false;
    }
  }
  return shape;
}

}  // namespace

NpyArray read_npy(const std::filesystem::path& path) {
  std::string file = read_text_file(path);
  constexpr std::string_view kMagic = "\x93NUMPY";
  if (file.size() < 12 || !file.starts_with(kMagic)) {
    throw storage_error("{} is no NumPy array: write it with numpy.save", path.native());
  }
  const bool is_long = file[6] > 1;
  std::uint32_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data() + 8, is_long ? 4 : 2);
  const std::size_t begin = (is_long ? 12 : 10) + std::size_t{header_bytes};
  if (begin > file.size()) throw storage_error("{} is cut short: copy it again", path.native());
  const std::string_view header(file.data() + (is_long ? 12 : 10), header_bytes);
  NpyArray array{std::string(value_of(header, "descr")), shape_of(value_of(header, "shape")), {}};
  const std::uint64_t each = element_bytes(array.descr);
  if (each == 0 || array.descr.find('>') != std::string::npos || array.descr.find("|O") != std::string::npos ||
      value_of(header, "fortran_order") != "False") {
    throw storage_error("{} holds {}, not little-endian numbers in C order: write it with numpy.ascontiguousarray",
                        path.native(), array.descr.empty() ? "nothing that is known here" : array.descr);
  }
  const std::uint64_t count =
      std::accumulate(array.shape.begin(), array.shape.end(), std::uint64_t{1}, std::multiplies<>());
  if (file.size() - begin < count * each) {
    throw storage_error("{} is cut short: {} elements are announced", path.native(), count);
  }
  array.bytes = file.substr(begin, count * each);
  return array;
}

std::vector<float> floats_of(const NpyArray& array, const std::filesystem::path& path) {
  if (array.shape.size() != 1 || (array.descr != "'<f4'" && array.descr != "'<f8'")) {
    throw storage_error("{} holds {} in {} dimensions: float32 or float64 in one is expected", path.native(),
                        array.descr, array.shape.size());
  }
  std::vector<float> values(array.shape[0]);
  if (values.empty()) return values;
  if (array.descr == "'<f4'") {
    std::memcpy(values.data(), array.bytes.data(), array.bytes.size());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    double value = 0;
    std::memcpy(&value, array.bytes.data() + 8 * i, 8);
    values[i] = static_cast<float>(value);
  }
  return values;
}

}  // namespace clip_hpc
