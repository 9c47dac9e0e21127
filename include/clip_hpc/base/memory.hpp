#pragma once

namespace clip_hpc {

// Tells malloc to keep what is freed. Every training step asks for the same large tensors again; given back to the
// kernel in between, each of their pages would be faulted in and cleared once a step.
void keep_freed_memory();

}  // namespace clip_hpc
