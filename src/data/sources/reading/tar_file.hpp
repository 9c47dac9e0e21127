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

#include "clip_hpc/data/input_limits.hpp"

struct archive;

namespace clip_hpc {

using TarFields = std::map<std::string, std::vector<std::uint8_t>>;  // by extension, lower case

struct TarSample {
  std::string key;
  TarFields fields;                          // what a sample can be made of: images, txt, json, cls
  std::map<std::string, std::string> links;  // extension -> what it is a link to; a link has no bytes
  std::vector<std::string> others;           // further extensions, the first few; their bytes are not read
  bool again = false;                        // the tar file had members of this key before

  std::string found() const;  // ".png, .1.txt": for a message
};

// What is wrong with a tar file that could be read.
struct TarRemarks {
  bool has_end = true;         // false: no end-of-archive blocks; perhaps cut off between two members
  bool has_more = false;       // bytes behind its end, as where two tar files were joined by cat
  std::uint64_t twice = 0;     // members whose name was there before
  std::string first_twice;     // of those
  std::uint64_t nameless = 0;  // members whose name cannot be read
};

// Calls take(sample) for each sample, in the order of the file. Reads no more than `limits` into memory, whatever a
// member claims to be. Throws storage for a broken file, naming it and where it can the member.
TarRemarks read_tar(const std::filesystem::path& path, const std::function<void(const TarSample&)>& take,
                    const InputLimits& limits = kInputLimits);

// The image among the fields. None: nullptr.
const std::vector<std::uint8_t>* image_of(const TarFields& fields);
bool is_image_extension(std::string_view extension);

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
