#include "clip_hpc/device/device_kernels.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "ops/fused_ops_kernels.hpp"
#include "optim/adamw_kernels.hpp"
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
  void* symbol = dlsym(library, FusedOpsKernels::kSymbol);
  if (symbol == nullptr) GTEST_SKIP() << path << " was built without LibTorch's CUDA libraries";
  const auto* ops = reinterpret_cast<const FusedOpsKernels* (*)()>(symbol)();
  EXPECT_EQ(ops->abi, FusedOpsKernels::kAbi);
  EXPECT_GT(ops->widest_row, 0);
  const FusedBodies& fused = ops->bodies;
  EXPECT_TRUE(fused.bias_gelu && fused.bias_gelu_backward && fused.add_bias && fused.column_sums && fused.layer_norm &&
              fused.add_layer_norm && fused.layer_norm_backward && ops->normalise_pixels);
  symbol = dlsym(library, AdamWKernels::kSymbol);
  ASSERT_NE(symbol, nullptr);
  const auto* adamw = reinterpret_cast<const AdamWKernels* (*)()>(symbol)();
  EXPECT_EQ(adamw->abi, AdamWKernels::kAbi);
  EXPECT_NE(adamw->step, nullptr);
}

struct MadeUpKernels {
  static constexpr const char* kSymbol = "clip_hpc_made_up_kernels";
  static constexpr std::uint32_t kAbi = 1;
  std::uint32_t abi;
};

TEST(DeviceKernels, NoneAreUsedUntilTheyAreSet) {
  if (!test_device().is_cpu()) GTEST_SKIP() << "they are set";
  EXPECT_EQ(device_kernels<FusedOpsKernels>(), nullptr);
  EXPECT_EQ(device_kernels<MadeUpKernels>(), nullptr);
  const MadeUpKernels table{};
  set_device_kernels<MadeUpKernels>(&table);
  EXPECT_EQ(device_kernels<MadeUpKernels>(), &table);
  EXPECT_EQ(device_kernels<FusedOpsKernels>(), nullptr) << "tables do not know each other";
  set_device_kernels<MadeUpKernels>(nullptr);
  EXPECT_EQ(device_kernels<MadeUpKernels>(), nullptr);
}

}  // namespace
}  // namespace clip_hpc
