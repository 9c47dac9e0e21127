#include "clip_hpc/comm/pinned_libraries.hpp"

#include <dlfcn.h>
#include <link.h>

#include <string>
#include <string_view>
#include <vector>

namespace clip_hpc {
namespace {

int note_component(dl_phdr_info* library, std::size_t, void* into) {
  const std::string_view path = library->dlpi_name;
  if (path.find("mca_") != std::string_view::npos) static_cast<std::vector<std::string>*>(into)->emplace_back(path);
  return 0;
}

}  // namespace

void pin_mpi_components() {
  std::vector<std::string> components;
  ::dl_iterate_phdr(note_component, &components);
  for (const std::string& path : components) {
    if (void* const open = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE)) ::dlclose(open);
  }
}

}  // namespace clip_hpc
