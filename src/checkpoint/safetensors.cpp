#include "clip_hpc/checkpoint/safetensors.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/ops/tensor_bytes.hpp"

namespace clip_hpc {
namespace {

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the limit of the reference reader

const char* dtype_name(at::ScalarType type, const std::string& tensor) {
  switch (type) {
    case at::kDouble:
      return "F64";
    case at::kFloat:
      return "F32";
    case at::kBFloat16:
      return "BF16";
    case at::kHalf:
      return "F16";
    case at::kLong:
      return "I64";
    default:
      throw internal_error("tensor {} has a type that safetensors files of ours do not hold", tensor);
  }
}

at::ScalarType dtype_of(const std::string& name, const std::string& file) {
  if (name == "F64") return at::kDouble;
  if (name == "F32") return at::kFloat;
  if (name == "BF16") return at::kBFloat16;
  if (name == "F16") return at::kHalf;
  if (name == "I64") return at::kLong;
  if (name == "I32") return at::kInt;
  if (name == "I16") return at::kShort;
  if (name == "I8") return at::kChar;
  if (name == "U8") return at::kByte;
  if (name == "BOOL") return at::kBool;
  throw input_error("{}: tensor type {} is not supported: convert the file to F32", file, name);
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t end = 0;
  for (const auto& [name, tensor] : tensors) {
    const std::uint64_t begin = end;
    end += tensor.nbytes();
    header[name] = {{"dtype", dtype_name(tensor.scalar_type(), name)},
                    {"shape", std::vector<std::int64_t>(tensor.sizes().begin(), tensor.sizes().end())},
                    {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.append((64 - (8 + text.size()) % 64) % 64, ' ');
  const std::uint64_t length = text.size();

  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0664);
  if (fd < 0) throw storage_error("cannot create {}: check the folder and its permissions", path.native());
  const FileDescriptor file(fd);
  pwrite_all(fd, std::as_bytes(std::span(&length, 1)), 0, path.native());
  pwrite_all(fd, std::as_bytes(std::span(text)), 8, path.native());
  std::uint64_t at = 8 + length;
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor flat = tensor.cpu().contiguous();
    pwrite_all(fd, bytes_of(flat), at, path.native());
    at += flat.nbytes();
  }
  if (::fsync(fd) != 0) throw storage_error("cannot sync {}: the disk may be full", path.native());
}

namespace {

struct Entry {
  std::string name;
  at::ScalarType type;
  std::vector<std::int64_t> shape;
  std::uint64_t begin, end;
};

struct Header {
  std::vector<Entry> entries;
  std::uint64_t data_begin = 0;
};

// `file_name` for messages.
Header read_header(const FileDescriptor& file, const std::string& file_name) {
  const std::uint64_t size = file.size_bytes();
  std::uint64_t length = 0;
  if (size < 8) throw storage_error("{} is not a safetensors file: it holds {} bytes", file_name, size);
  pread_all(file.get(), std::as_writable_bytes(std::span(&length, 1)), 0, file_name);
  if (length > kMaxHeaderBytes || length > size - 8) {
    throw storage_error("{} is not a safetensors file or is truncated: header of {} bytes", file_name, length);
  }
  std::string text(length, '\0');
  pread_all(file.get(), std::as_writable_bytes(std::span(text)), 8, file_name);

  std::vector<Entry> entries;
  try {
    const Json header = parse_json(text);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") continue;
      entries.push_back({name, dtype_of(entry.at("dtype").get<std::string>(), file_name),
                         entry.at("shape").get<std::vector<std::int64_t>>(),
                         entry.at("data_offsets").at(0).get<std::uint64_t>(),
                         entry.at("data_offsets").at(1).get<std::uint64_t>()});
    }
  } catch (const Json::exception& problem) {
    throw storage_error("{}: broken safetensors header: {}", file_name, problem.what());
  }

  std::vector<const Entry*> by_offset;
  for (const Entry& entry : entries) by_offset.push_back(&entry);
  std::stable_sort(by_offset.begin(), by_offset.end(), [](const Entry* a, const Entry* b) {
    return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);  // empty tensors come before what begins there
  });
  std::uint64_t expected = 0;
  for (const Entry* entry : by_offset) {
    std::uint64_t bytes = at::elementSize(entry->type);
    for (const std::int64_t extent : entry->shape) {
      if (extent < 0) throw storage_error("{}: tensor {} has a negative extent", file_name, entry->name);
      if (__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
        throw storage_error("{}: tensor {} has more elements than any file", file_name, entry->name);
      }
    }
    std::uint64_t end = 0;
    if (__builtin_add_overflow(entry->begin, bytes, &end) || entry->begin != expected || entry->end != end) {
      throw storage_error("{}: the data of tensor {} overlaps, leaves a gap or has the wrong length", file_name,
                          entry->name);
    }
    expected = entry->end;
    if (expected > size)
      throw storage_error("{}: tensor {} ends behind the file: it is truncated", file_name, entry->name);
  }
  const std::uint64_t whole = 8 + length + expected;
  if (size < whole)
    throw storage_error("{}: {} bytes expected, {} found: the file is truncated", file_name, whole, size);
  if (size > whole) {
    throw storage_error("{}: {} bytes stand behind the data that its header describes: was something appended to it?",
                        file_name, size - whole);
  }

  return {std::move(entries), 8 + length};
}

}  // namespace

std::vector<std::string> safetensors_names(const std::filesystem::path& path) {
  std::vector<std::string> names;
  for (Entry& entry : read_header(FileDescriptor::open_read(path), path.native()).entries) {
    names.push_back(std::move(entry.name));
  }
  return names;
}

NamedTensors read_safetensors(const std::filesystem::path& path) {
  const FileDescriptor file = FileDescriptor::open_read(path);
  const Header header = read_header(file, path.native());
  NamedTensors tensors;
  for (const Entry& entry : header.entries) {
    at::Tensor tensor = at::empty(entry.shape, entry.type);
    pread_all(file.get(), {static_cast<std::byte*>(tensor.mutable_data_ptr()), tensor.nbytes()},
              header.data_begin + entry.begin, path.native());
    tensors.emplace_back(entry.name, tensor);
  }
  return tensors;
}

}  // namespace clip_hpc
