// Tar files of samples, as WebDataset reads and writes them: a sample is a run of entries whose path is the same up to
// the first dot of the file name.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct archive;

namespace clip_hpc {

using TarFields = std::map<std::string, std::vector<std::uint8_t>>;  // by extension, lower case

// Calls take(key, fields) for each sample, in the order of the file. Throws storage for a broken file, naming it.
void read_tar(const std::filesystem::path& path,
              const std::function<void(const std::string& key, const TarFields& fields)>& take);

// The picture among the fields: jpg, jpeg, png or webp. None: nullptr.
const std::vector<std::uint8_t>* picture_of(const TarFields& fields);

// A name by 32 hexadecimal digits ("uid" of json, as in DataComp), or where `json` has none, a hash of `other`.
std::array<std::uint64_t, 2> uid_of(const TarFields& fields, const std::string& other);

// The number in the field cls. Throws storage where it is none.
std::int32_t class_number(std::span<const std::uint8_t> cls);

// Written beside and renamed by finish(). The same entries give the same bytes: no time, no owner.
class TarWriter {
 public:
  explicit TarWriter(std::filesystem::path path);
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;
  ~TarWriter();
  void add(const std::string& name, std::string_view bytes);  // throws storage
  void finish();

 private:
  std::filesystem::path path_, beside_;
  archive* tar_ = nullptr;
};

}  // namespace clip_hpc
