#include "data/sources/reading/tar_file.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;

struct CloseArchive {
  void operator()(archive* tar) const { archive_read_free(tar); }
};
using Archive = std::unique_ptr<archive, CloseArchive>;

Error broken(const fs::path& path, archive* tar) {
  const char* reason = archive_error_string(tar);
  return storage_error("{}: broken tar file: {}; copy it again", path.native(), reason != nullptr ? reason : "?");
}

Archive open_tar(const fs::path& path) {
  Archive tar(archive_read_new());
  archive_read_support_format_tar(tar.get());
  archive_read_support_filter_all(tar.get());
  constexpr std::size_t kBlockBytes = 1 << 20;
  if (archive_read_open_filename(tar.get(), path.c_str(), kBlockBytes) != ARCHIVE_OK) throw broken(path, tar.get());
  return tar;
}

struct EntryName {
  std::string key, extension;
};

EntryName split_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
  const std::size_t dot = path.find('.', base);
  if (dot == std::string::npos || dot == base) return {path, ""};
  EntryName name{path.substr(0, dot), path.substr(dot + 1)};
  std::ranges::transform(name.extension, name.extension.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  return name;
}

}  // namespace

void read_tar(const fs::path& path, const std::function<void(const std::string&, const TarFields&)>& take) {
  const Archive tar = open_tar(path);
  std::string key;
  TarFields fields;
  archive_entry* entry = nullptr;
  while (true) {
    const int code = archive_read_next_header(tar.get(), &entry);
    if (code == ARCHIVE_EOF) break;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN) throw broken(path, tar.get());
    const char* path_name = archive_entry_pathname(entry);
    if (archive_entry_filetype(entry) != AE_IFREG || path_name == nullptr) continue;
    const EntryName name = split_name(path_name);
    if (name.extension.empty()) continue;
    if (name.key != key && !fields.empty()) {
      take(key, fields);
      fields.clear();
    }
    key = name.key;
    std::vector<std::uint8_t>& bytes = fields[name.extension];
    bytes.resize(static_cast<std::size_t>(archive_entry_size(entry)));
    const la_ssize_t got = archive_read_data(tar.get(), bytes.data(), bytes.size());
    if (got < 0 || static_cast<std::size_t>(got) != bytes.size()) throw broken(path, tar.get());
  }
  if (!fields.empty()) take(key, fields);
}

const std::vector<std::uint8_t>* picture_of(const TarFields& fields) {
  for (const char* extension : {"jpg", "jpeg", "png", "webp"}) {
    if (const auto found = fields.find(extension); found != fields.end()) return &found->second;
  }
  return nullptr;
}

std::array<std::uint64_t, 2> uid_of(const TarFields& fields, const std::string& other) {
  if (const auto json = fields.find("json"); json != fields.end()) {
    const Json about = Json::parse(json->second, nullptr, false);
    if (about.is_object() && about.contains("uid") && about["uid"].is_string()) {
      const auto text = about["uid"].get<std::string>();
      std::array<std::uint64_t, 2> uid{};
      const char* digits = text.data();
      if (text.size() == 32 && std::from_chars(digits, digits + 16, uid[0], 16).ptr == digits + 16 &&
          std::from_chars(digits + 16, digits + 32, uid[1], 16).ptr == digits + 32) {
        return uid;
      }
    }
  }
  const auto bytes = std::as_bytes(std::span(other));
  return {xxh64(bytes, 1), xxh64(bytes, 2)};
}

std::int32_t class_number(std::span<const std::uint8_t> cls) {
  std::string_view digits(reinterpret_cast<const char*>(cls.data()), cls.size());
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!digits.empty() && is_space(digits.front())) digits.remove_prefix(1);
  while (!digits.empty() && is_space(digits.back())) digits.remove_suffix(1);
  std::int32_t label = 0;
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), label);
  if (code != std::errc{} || end != digits.data() + digits.size()) throw storage_error("cls is not a number");
  return label;
}

TarWriter::TarWriter(fs::path path) : path_(std::move(path)), beside_(path_.native() + ".tmp") {
  tar_ = archive_write_new();
  archive_write_set_format_pax_restricted(tar_);  // plain ustar wherever that can hold the entry
  if (archive_write_open_filename(tar_, beside_.c_str()) != ARCHIVE_OK) {
    const Error problem = storage_error("cannot write {}: {}", beside_.native(), archive_error_string(tar_));
    archive_write_free(tar_);
    tar_ = nullptr;
    throw problem;
  }
}

TarWriter::~TarWriter() {
  if (tar_ != nullptr) archive_write_free(tar_);
}

void TarWriter::add(const std::string& name, std::string_view bytes) {
  const std::unique_ptr<archive_entry, decltype(&archive_entry_free)> entry(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(bytes.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), 0644);
  archive_entry_set_mtime(entry.get(), 0, 0);
  if (archive_write_header(tar_, entry.get()) != ARCHIVE_OK ||
      archive_write_data(tar_, bytes.data(), bytes.size()) != static_cast<la_ssize_t>(bytes.size())) {
    throw storage_error("cannot write {}: {}; is the disk full or the quota reached?", beside_.native(),
                        archive_error_string(tar_));
  }
}

void TarWriter::finish() {
  if (archive_write_close(tar_) != ARCHIVE_OK) {
    throw storage_error("cannot write {}: {}; is the disk full or the quota reached?", beside_.native(),
                        archive_error_string(tar_));
  }
  archive_write_free(std::exchange(tar_, nullptr));
  sync_path(beside_);
  rename_synced(beside_, path_);
}

}  // namespace clip_hpc
