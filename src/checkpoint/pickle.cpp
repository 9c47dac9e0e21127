#include "checkpoint/pickle.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {

void refuse_pickle(const fs::path& input) {
  if (fs::is_directory(input)) {
    const auto is_safe = [](const fs::directory_entry& file) { return file.path().extension() == ".safetensors"; };
    if (std::ranges::any_of(fs::directory_iterator(input), is_safe)) return;  // the pickle is not needed
    for (const char* name : kPickleNames) {
      if (fs::exists(input / name)) refuse_pickle(input / name);
    }
    return;
  }
  const FileDescriptor bytes = FileDescriptor::open_read(input);
  std::array<char, 9> head{};
  if (!bytes.is_regular() || bytes.size_bytes() < head.size()) return;
  pread_all(bytes.get(), std::as_writable_bytes(std::span(head)), 0, input.native());
  const std::string_view begin(head.data(), head.size());
  if (begin.back() == '{') return;  // safetensors: a length of 8 bytes, then JSON
  if (!begin.starts_with("PK") && begin.front() != '\x80') return;
  const bool is_of_folder = std::ranges::find(kPickleNames, input.filename().native()) != std::end(kPickleNames);
  const fs::path safe = is_of_folder ? input.parent_path() / "open_clip_model.safetensors"
                                     : fs::path(input).replace_extension(".safetensors");
  throw input_error(
      "{0} is a pickle of PyTorch, which can run code when it is read: convert it with\n"
      "  python -c \"import sys, torch, safetensors.torch as s; w = torch.load(sys.argv[1], map_location='cpu', "
      "weights_only=True); w = "
      "w.get('state_dict', w); s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, sys.argv[2])\" {0} "
      "{1}\nand import that",
      input.native(), safe.native());
}

}  // namespace clip_hpc
