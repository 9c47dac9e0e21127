#include "clip_hpc/comm/device.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/device/device_library.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

TEST(Device, RanksThatShareOneAreNamed) {
  EXPECT_FALSE(shared_device({}));
  EXPECT_FALSE(shared_device({"a 0", "a 1", "b 0", "b 1"}));
  EXPECT_EQ(shared_device({"a 0", "a 1", "b 0", "a 1", "b 0"}), "ranks 1 and 3 share the GPU a 1");
}

// The library finds the program's own classes, and LibTorch's and NCCL's functions, without a driver being there.
TEST(Device, TheLibraryOpensAndBringsItsTables) {
  const char* const binary = std::getenv("CLIP_HPC_BINARY_DIR");
  if (binary == nullptr) GTEST_SKIP() << "CLIP_HPC_BINARY_DIR is not set";
  const std::filesystem::path path = std::filesystem::path(binary) / "lib/libclip_hpc_cuda.so";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "this build has no " << path;
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL);
  ASSERT_NE(library, nullptr) << dlerror();
  const auto* const table = reinterpret_cast<const DeviceTable* (*)()>(dlsym(library, "clip_hpc_device_table"))();
  EXPECT_EQ(table->abi, kDeviceTableAbi);
  if (!open_device_library()) {
    EXPECT_EQ(table->device_count(), 0);  // no driver, and the library says so instead of failing
  }
  void* const symbol = dlsym(library, "clip_hpc_device_plane");
  if (symbol == nullptr) GTEST_SKIP() << "built without libtorch_cuda.so";
  const auto* const plane = reinterpret_cast<const DevicePlane* (*)()>(symbol)();
  EXPECT_EQ(plane->abi, kDevicePlaneAbi);
  const std::string version = plane->nccl_version();
  EXPECT_GE(std::ranges::count(version, '.'), 2) << version;
  EXPECT_EQ(std::ranges::count(plane->cudnn_version(), '.'), 2);
}

TEST(Device, WithoutAGpuCudaIsRefusedAndAutoIsTheCpu) {
  if (open_device_library() && open_device_library()->device_count() > 0) GTEST_SKIP() << "there is a GPU";
  EXPECT_TRUE(choose_device(test_world(), "cpu").is_cpu());
  EXPECT_TRUE(choose_device(test_world(), "auto").is_cpu());
  test::expect_error(ErrorKind::device, {"rank 0 has no GPU: ", "train.device = cpu"},
                     [] { choose_device(test_world(), "cuda"); });
}

}  // namespace
}  // namespace clip_hpc
