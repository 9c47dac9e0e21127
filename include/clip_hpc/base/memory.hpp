// Memory of this process: what malloc keeps, and the most that was resident.
#pragma once

#include <cstdint>

namespace clip_hpc {

// Tells malloc to keep what is freed. Every training step asks for the same large tensors again; given back to the
// kernel in between, each of their pages would be faulted in and cleared once a step.
void keep_freed_memory();

std::int64_t peak_rss_bytes();  // of this process, since its start

}  // namespace clip_hpc
