#include "clip_hpc/data/sources/csv.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <memory>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/config/arguments.hpp"
#include "clip_hpc/data/input_limits.hpp"
#include "data/sources/reading/files.hpp"
#include "data/sources/reading/picture.hpp"
#include "data/sources/reading/sample_json.hpp"

namespace clip_hpc {
namespace {

namespace fs = std::filesystem;
using Fields = std::vector<std::string>;

constexpr std::uint64_t kMaxRowBytes = 1 << 20;  // a longer row has a quote that is not closed

// The rows of a file, one after another, in the memory of one row.
class CsvReader {
 public:
  CsvReader(const fs::path& path, char separator, std::uint64_t offset = 0)
      : path_(path), separator_(separator), offset_(offset) {
    if (!file_.open(path, std::ios::in | std::ios::binary) ||
        file_.pubseekpos(static_cast<std::streamoff>(offset), std::ios::in) < 0) {
      throw storage_error("cannot read {}", path.native());
    }
    if (offset == 0) skip_byte_order_mark();
  }

  std::uint64_t offset() const { return offset_; }  // of the next row

  // False at the end. Empty lines are no rows.
  bool next(Fields& fields) {
    do {
      fields.assign(1, "");
      if (!read_row(fields)) return false;
    } while (fields.size() == 1 && fields.front().empty());
    return true;
  }

 private:
  using Traits = std::filebuf::traits_type;
  static constexpr Traits::int_type kEnd = Traits::eof();

  Traits::int_type take() {
    const Traits::int_type c = file_.sbumpc();
    if (c != kEnd) ++offset_;
    return c;
  }
  bool follows(char c) { return file_.sgetc() == Traits::to_int_type(c); }

  void skip_byte_order_mark() {
    for (const char c : {'\xef', '\xbb', '\xbf'}) {
      if (!follows(c)) return;
      take();
    }
  }

  bool read_row(Fields& fields) {
    const std::uint64_t begin = offset_;
    bool quoted = false, fresh = true;  // fresh: nothing of the field was read
    Traits::int_type c = take();
    if (c == kEnd) return false;
    for (; c != kEnd; c = take()) {
      if (offset_ - begin > kMaxRowBytes) throw unclosed(begin);
      const char letter = Traits::to_char_type(c);
      if (quoted) {
        if (letter == '"' && !follows('"')) {
          quoted = false;
          continue;
        }
        if (letter == '"') take();
        fields.back() += letter;
      } else if (letter == '"' && fresh) {
        quoted = true;
        fresh = false;
      } else if (letter == separator_) {
        fields.emplace_back();
        fresh = true;
      } else if (letter == '\n') {
        return true;
      } else if (letter != '\r' || !follows('\n')) {
        fields.back() += letter;
        fresh = false;
      }
    }
    if (quoted) throw unclosed(begin);
    return true;
  }

  Error unclosed(std::uint64_t begin) const {
    return storage_error("{}: the row at byte {} has no end within 1 MiB: is a quote not closed?", path_.native(),
                         begin);
  }

  fs::path path_;
  std::filebuf file_;
  char separator_;
  std::uint64_t offset_;
};

struct CsvFile {
  fs::path path;
  std::string name;                    // below the input
  std::size_t image = 0, caption = 0;  // columns
};
struct CsvPart {
  std::size_t file = 0;
  std::uint64_t offset = 0, first_row = 0, rows = 0;  // rows from 1, the header not counted
};

std::size_t column_of(const fs::path& path, const Fields& header, const std::string& key, const char* option) {
  const auto found = std::ranges::find(header, key);
  if (found != header.end()) return static_cast<std::size_t>(found - header.begin());
  throw input_error("{} has no column \"{}\": it has \"{}\"; check {} and --csv-separator", path.native(), key,
                    fmt::join(header, "\", \""), option);
}

// Appends the parts of one file.
CsvFile cut_file(const InputFile& input, std::size_t index, const CsvOptions& options, std::vector<CsvPart>& parts) {
  const fs::path& path = input.path;
  CsvReader reader(path, options.separator);
  Fields fields;
  if (!reader.next(fields)) throw input_error("{} is empty: its first row names the columns", path.native());
  const CsvFile file{path, input.name, column_of(path, fields, options.image_key, "--csv-img-key"),
                     column_of(path, fields, options.caption_key, "--csv-caption-key")};
  for (std::uint64_t row = 0;; ++row) {
    const std::uint64_t offset = reader.offset();
    if (!reader.next(fields)) return file;
    if (row % options.samples_per_part == 0) parts.push_back({index, offset, row + 1, 0});
    parts.back().rows += 1;
  }
}

// The image of a row. A FIFO or a device in its place would be read for ever.
std::string read_image_file(const fs::path& path) {
  std::error_code code;
  const fs::file_status status = fs::status(path, code);
  if (!fs::exists(status)) throw storage_error("there is no such image file");
  if (!fs::is_regular_file(status)) throw storage_error("the image is no file");
  if (fs::file_size(path, code) > kInputLimits.tar_member_bytes) {
    throw storage_error("the image file has more than {} MiB", kInputLimits.tar_member_bytes >> 20);
  }
  return read_text_file(path);
}

// Throws storage with the reason where the row is no sample.
PackedSample make_sample(const CsvFile& file, const Fields& fields, const CsvOptions& options) {
  if (fields.size() <= std::max(file.image, file.caption)) throw storage_error("only {} fields", fields.size());
  PackedSample sample;
  sample.captions = one_line(fields[file.caption]);
  if (sample.captions.empty()) throw storage_error("no caption");
  const std::string text = read_image_file(file.path.parent_path() / fields[file.image]);
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
  put_picture(bytes, {.size = options.size}, sample);
  sample.uid = content_uid(bytes, sample.captions, file.name + "/" + fields[file.image]);
  return sample;
}

char separator_of(const std::string& text) {
  if (text == "\\t") return '\t';
  if (text.size() != 1 || text == "\"" || text == "\n" || text == "\r") {
    throw input_error("--csv-separator must be one character, or \\t for a tab; got \"{}\"", text);
  }
  return text.front();
}

}  // namespace

PackSource open_csv(const CsvOptions& options) {
  constexpr std::array<std::string_view, 2> kEndings{".csv", ".tsv"};
  const std::vector<InputFile> inputs = find_files(options.inputs, kEndings);
  std::vector<CsvFile> files;
  std::vector<CsvPart> parts;
  for (const InputFile& input : inputs) files.push_back(cut_file(input, files.size(), options, parts));
  PackSource source;
  const fs::path& first = inputs.front().path;
  source.info.name = inputs.size() == 1 ? first.stem().native() : first.parent_path().filename().native();
  source.info.encoding = "mixed";
  source.info.channels = 3;
  source.info.source = fmt::format("{} CSV files, {} to {}", inputs.size(), inputs.front().name, inputs.back().name);
  source.info.licence = "that of the input";
  source.parts = parts.size();
  source.read_part = [files, parts, options](std::uint64_t part, const PackSink& sink) {
    const CsvPart& rows = parts[part];
    const CsvFile& file = files[rows.file];
    CsvReader reader(file.path, options.separator, rows.offset);
    Fields fields;
    for (std::uint64_t row = rows.first_row; row < rows.first_row + rows.rows && reader.next(fields); ++row) {
      const std::string where = fmt::format("{} row {}", file.name, row);
      PackedSample sample;
      try {
        sample = make_sample(file, fields, options);
      } catch (const Error& problem) {
        sink.skip(where, problem.what());
        continue;
      }
      sink.add(where, sample);
    }
  };
  source.fingerprint = [inputs, parts, options](std::uint64_t part) {
    const CsvPart& rows = parts[part];
    return fmt::format("csv {} as {}, rows {} to {}, columns {} and {}, size {}", state_of(inputs[rows.file]),
                       inputs[rows.file].name, rows.first_row, rows.first_row + rows.rows, options.image_key,
                       options.caption_key, options.size);
  };
  return source;
}

OpenSource declare_csv(ArgumentTable& words) {
  struct Words {
    std::vector<std::string> input;
    std::string image_key = "filepath", caption_key = "title", separator = "\\t";
    std::int64_t size = 0, samples_per_shard = 10'000;
  };
  const auto o = std::make_shared<Words>();
  words.add("input", o->input, "CSV files, or folders of them; the first row names the columns");
  words.add("csv-img-key", o->image_key, "column of the image's path, relative to the CSV file");
  words.add("csv-caption-key", o->caption_key, "column of the caption");
  words.add("csv-separator", o->separator, "the character between two fields; \\t: a tab",
            Check<std::string>([](const std::string&, const std::string& text) { separator_of(text); }));
  words.add("size", o->size, kPictureSizeHelp, in_range(std::int64_t{0}, std::int64_t{4096}));
  words.add("samples-per-shard", o->samples_per_shard, "rows per shard",
            in_range(std::int64_t{1}, std::int64_t{1} << 20));
  return [o] {
    if (o->input.empty()) throw input_error("clip_hpc pack --from csv needs --input");
    CsvOptions options{{o->input.begin(), o->input.end()}, o->image_key, o->caption_key, separator_of(o->separator)};
    options.size = static_cast<int>(o->size);
    options.samples_per_part = static_cast<std::uint64_t>(o->samples_per_shard);
    OpenedSource opened;
    opened.sets.push_back({"", open_csv(options), {}});
    return opened;
  };
}

}  // namespace clip_hpc
