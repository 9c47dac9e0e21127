// One temporary folder for all ranks of a test, made and removed by rank 0.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "tests/data/data_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc::test {

class SharedFolder {
 public:
  SharedFolder() {
    if (test_world().rank() == 0) own_ = std::make_unique<TempFolder>();
    path_ = test_world().broadcast(own_ ? (*own_ / "").string() : "");
  }
  ~SharedFolder() { test_world().barrier(); }  // nobody reads any more
  SharedFolder(const SharedFolder&) = delete;
  SharedFolder& operator=(const SharedFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::unique_ptr<TempFolder> own_;
  std::filesystem::path path_;
};

template <class Change>
void on_rank_0(const Change& change) {
  if (test_world().rank() == 0) change();
  test_world().barrier();
}

}  // namespace clip_hpc::test
