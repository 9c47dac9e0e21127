#include "data/sources/reading/tar_file.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <memory>
#include <unordered_set>
#include <utility>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/text.hpp"

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

// In the order in which they are preferred. What cannot be decoded is there, too: the reason then says so.
constexpr auto kImageExtensions = std::to_array<std::string_view>(
    {"jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "avif", "heic", "jxl", "jp2"});

bool is_read(std::string_view extension) {
  return extension == "txt" || extension == "json" || extension == "cls" || is_image_extension(extension);
}

// The name as it is stored; where the locale cannot express it, in UTF-8.
std::string name_of(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr) name = archive_entry_pathname_utf8(entry);
  return name != nullptr ? name : "";
}

class TarReader {
 public:
  TarReader(const fs::path& path, const std::function<void(const TarSample&)>& take, const InputLimits& limits)
      : path_(path), take_(take), limits_(limits), tar_(open_tar(path)) {}

  TarRemarks read() {
    std::int64_t end_of_member = -1;
    archive_entry* entry = nullptr;
    while (true) {
      const int code = archive_read_next_header(tar_.get(), &entry);
      if (code == ARCHIVE_EOF) break;
      if (code != ARCHIVE_OK && code != ARCHIVE_WARN) throw broken(path_, tar_.get());
      member(entry);
      if (archive_read_data_skip(tar_.get()) < ARCHIVE_WARN) throw broken(path_, tar_.get());
      end_of_member = archive_filter_bytes(tar_.get(), 0);
    }
    if (!sample_is_empty()) take_(sample_);
    remarks_.has_end = archive_filter_bytes(tar_.get(), 0) > end_of_member;
    remarks_.has_more = remarks_.has_end && has_bytes_behind();
    return remarks_;
  }

 private:
  bool sample_is_empty() const { return sample_.fields.empty() && sample_.links.empty() && sample_.others.empty(); }

  bool sample_has(const std::string& extension) const {
    return sample_.fields.contains(extension) || sample_.links.contains(extension) ||
           std::ranges::find(sample_.others, extension) != sample_.others.end();
  }

  void member(archive_entry* entry) {
    const bool is_link = archive_entry_hardlink(entry) != nullptr || archive_entry_filetype(entry) == AE_IFLNK;
    if (!is_link && archive_entry_filetype(entry) != AE_IFREG) return;
    const std::string path = name_of(entry);
    if (path.empty()) remarks_.nameless += 1;
    const EntryName name = split_name(path);
    if (name.extension.empty()) return;
    // The same member once more begins another sample: that of before is not overwritten.
    if (name.key != sample_.key || sample_has(name.extension)) begin_sample(name.key);
    if (!members_.insert(std::hash<std::string>{}(path)).second && ++remarks_.twice == 1) remarks_.first_twice = path;
    if (is_link) {
      const char* hard = archive_entry_hardlink(entry);
      const char* target = hard != nullptr ? hard : archive_entry_symlink(entry);
      sample_.links[name.extension] = target != nullptr ? target : "?";
    } else if (is_read(name.extension)) {
      read_bytes(path, archive_entry_size(entry), sample_.fields[name.extension]);
    } else if (sample_.others.size() < kOthersKept) {
      sample_.others.push_back(name.extension);
    }
  }

  void begin_sample(const std::string& key) {
    if (!sample_is_empty()) take_(sample_);
    sample_ = {};
    sample_.key = key;
    sample_.again = !keys_.insert(std::hash<std::string>{}(key)).second;
    sample_bytes_ = 0;
  }

  // Grows with what is there: the size in the header may be anything, and a sparse member is mostly holes.
  void read_bytes(const std::string& name, std::int64_t claimed, std::vector<std::uint8_t>& bytes) {
    while (true) {
      const std::size_t had = bytes.size();
      const auto missing = claimed - static_cast<std::int64_t>(had);
      const auto step = static_cast<std::size_t>(std::clamp(missing, kLeastBytes, kStepBytes));
      bytes.resize(had + step);
      const la_ssize_t got = archive_read_data(tar_.get(), bytes.data() + had, step);
      bytes.resize(had + static_cast<std::size_t>(std::max<la_ssize_t>(got, 0)));
      if (got == 0) return;
      if (got < 0) {
        const char* reason = archive_error_string(tar_.get());
        throw storage_error("{}: member {} cannot be read: {}; copy the tar file again", path_.native(),
                            repaired_utf8(name), reason != nullptr ? reason : "?");
      }
      sample_bytes_ += static_cast<std::uint64_t>(got);
      if (bytes.size() > limits_.tar_member_bytes || sample_bytes_ > limits_.tar_sample_bytes) {
        const bool one = bytes.size() > limits_.tar_member_bytes;
        throw storage_error(
            "{}: {} {} has more than {} MiB: no image or caption is that large, write the tar file again",
            path_.native(), one ? "member" : "the sample of", repaired_utf8(name),
            (one ? limits_.tar_member_bytes : limits_.tar_sample_bytes) >> 20);
      }
    }
  }

  // Tar files end with zeros. Of a compressed one nobody knows where its end lies in the file.
  bool has_bytes_behind() const {
    if (archive_filter_count(tar_.get()) > 1) return false;
    const auto end = static_cast<std::uint64_t>(archive_filter_bytes(tar_.get(), 0));
    const FileDescriptor file = FileDescriptor::open_read(path_);
    const std::uint64_t size = file.size_bytes();
    std::array<std::byte, 4096> block{};
    for (std::uint64_t at = end; at < size; at += block.size()) {
      const std::span<std::byte> piece = std::span(block).first(std::min<std::uint64_t>(block.size(), size - at));
      pread_all(file.get(), piece, at, path_.native());
      if (std::ranges::any_of(piece, [](std::byte value) { return value != std::byte{0}; })) return true;
      if (at - end > kPaddingLooked) return false;
    }
    return false;
  }

  static constexpr std::int64_t kLeastBytes = 512, kStepBytes = 256 << 10;  // read at once
  static constexpr std::size_t kOthersKept = 8;
  static constexpr std::uint64_t kPaddingLooked = 1 << 20;

  const fs::path& path_;
  const std::function<void(const TarSample&)>& take_;
  const InputLimits& limits_;
  Archive tar_;
  TarSample sample_;
  std::uint64_t sample_bytes_ = 0;
  std::unordered_set<std::size_t> keys_, members_;  // hashes: 8 bytes a member of this one file
  TarRemarks remarks_;
};

}  // namespace

std::string TarSample::found() const {
  std::string all;
  const auto add = [&](const std::string& extension) { all += (all.empty() ? "." : ", .") + extension; };
  for (const auto& [extension, bytes] : fields) add(extension);
  for (const auto& [extension, target] : links) add(extension);
  for (const std::string& extension : others) add(extension);
  return all;
}

TarRemarks read_tar(const fs::path& path, const std::function<void(const TarSample&)>& take,
                    const InputLimits& limits) {
  return TarReader(path, take, limits).read();
}

bool is_image_extension(std::string_view extension) {
  return std::ranges::find(kImageExtensions, extension) != kImageExtensions.end();
}

const std::vector<std::uint8_t>* image_of(const TarFields& fields) {
  for (const std::string_view extension : kImageExtensions) {
    if (const auto found = fields.find(std::string(extension)); found != fields.end()) return &found->second;
  }
  return nullptr;
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
