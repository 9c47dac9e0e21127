// A function marked with CLIP_HPC_VECTOR_CLONES is compiled once for each width of vector registers; the right one is
// chosen when the program starts. So one build serves old and new nodes, and loops over plain arrays run at full width.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define CLIP_HPC_VECTOR_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLIP_HPC_VECTOR_CLONES
#endif
