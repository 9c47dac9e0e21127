#include "checkpoint/pickle.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace fs = std::filesystem;

namespace clip_hpc {

namespace {

constexpr std::size_t kZipEnd = std::size_t{64} << 10;  // where a zip names its members, of most files

// OpenAI's files are TorchScript: a program beside the weights, which another function of PyTorch reads.
bool is_torch_script(const FileDescriptor& file, const std::string& name) {
  const std::size_t size = std::min<std::size_t>(kZipEnd, file.size_bytes());
  std::string end(size, '\0');
  pread_all(file.get(), std::as_writable_bytes(std::span(end)), file.size_bytes() - size, name);
  return end.find("/constants.pkl") != std::string::npos;
}

std::string quoted(const fs::path& path) {
  std::string text = "'";
  for (const char c : path.native()) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

}  // namespace

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
  const bool is_script = begin.starts_with("PK") && is_torch_script(bytes, input.native());
  throw input_error(
      "{} is a pickle of PyTorch, which can run code when it is read: convert it with\n"
      "  python -c \"import sys, torch, safetensors.torch as s; w = {}; w = w.get('state_dict', w); "
      "s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, sys.argv[2])\" {} {}\nand import that",
      input.native(),
      is_script ? "torch.jit.load(sys.argv[1], map_location='cpu').state_dict()"
                : "torch.load(sys.argv[1], map_location='cpu', weights_only=True)",
      quoted(input), quoted(safe));
}

}  // namespace clip_hpc
