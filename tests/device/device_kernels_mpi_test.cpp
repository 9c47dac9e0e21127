#include "clip_hpc/device/device_kernels.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

// All that the library needs is found through its own run path, and every symbol is there: also without a driver.
TEST(DeviceKernels, TheLibraryOpensAndItsTableIsWhole) {
  const char* folder = std::getenv("CLIP_HPC_BINARY_DIR");
  const std::string path = std::string(folder != nullptr ? folder : ".") + "/lib/libclip_hpc_cuda.so";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " was not built";
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  ASSERT_NE(library, nullptr) << dlerror();
  EXPECT_NE(dlsym(library, "clip_hpc_device_table"), nullptr);
  void* symbol = dlsym(library, "clip_hpc_device_kernels");
  if (symbol == nullptr) GTEST_SKIP() << path << " was built without LibTorch's CUDA libraries";
  const DeviceKernels* table = reinterpret_cast<const DeviceKernels* (*)()>(symbol)();
  EXPECT_EQ(table->abi, kDeviceKernelsAbi);
  EXPECT_GT(table->widest_row, 0);
  const FusedBodies& fused = table->fused;
  EXPECT_TRUE(fused.bias_gelu && fused.bias_gelu_backward && fused.add_bias && fused.column_sums && fused.layer_norm &&
              fused.add_layer_norm && fused.layer_norm_backward && table->normalise_pixels && table->adamw_step);
}

TEST(DeviceKernels, NoneAreUsedUntilTheyAreSet) {
  if (!test_device().is_cpu()) GTEST_SKIP() << "they are set";
  EXPECT_EQ(device_kernels(), nullptr);
  const DeviceKernels table{};
  set_device_kernels(&table);
  EXPECT_EQ(device_kernels(), &table);
  set_device_kernels(nullptr);
  EXPECT_EQ(device_kernels(), nullptr);
}

}  // namespace
}  // namespace clip_hpc
