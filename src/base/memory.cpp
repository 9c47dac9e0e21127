#include "clip_hpc/base/memory.hpp"

#include <malloc.h>

#include <limits>

namespace clip_hpc {

void keep_freed_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  ::mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace clip_hpc
