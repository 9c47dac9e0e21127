// For tests that need a GPU: run in gpu_tests, whose main opens the device library where CLIP_HPC_TEST_DEVICE=cuda, and
// ends with 77 (skipped) where there is no GPU.
#pragma once

#include <gtest/gtest.h>

#include "tests/mpi_test.hpp"

#define CLIP_HPC_NEEDS_DEVICE() \
  if (clip_hpc::test_device().is_cpu()) GTEST_SKIP() << "CLIP_HPC_TEST_DEVICE is not cuda"
