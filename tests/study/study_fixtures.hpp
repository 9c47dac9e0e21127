// A tiny project folder: a packed set that has only its dataset.json, a model, a grid.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/study/plan.hpp"
#include "tests/run/scratch.hpp"

namespace clip_hpc {

inline bool starts_with(const std::string& text, const std::string& words) { return text.starts_with(words); }
inline bool contains(const std::string& text, const std::string& words) {
  return text.find(words) != std::string::npos;
}

struct Project {
  Project() {
    std::filesystem::create_directories(scratch / "set");
    write_file_atomic(scratch / "set/dataset.json", R"({"count": 1000})");
    const char* source = std::getenv("CLIP_HPC_SOURCE_DIR");
    std::filesystem::copy_file(std::filesystem::path(source == nullptr ? "." : source) / "configs/models/tiny.json",
                               scratch / "model.json");
  }
  std::string head() const {
    return fmt::format("[set]\ndata.train = {0}/set\nmodel.config = {0}/model.json\ntrain.global_batch = 50\n",
                       scratch.path().native());
  }
  std::filesystem::path grid_file(const std::string& text) const {
    write_file_atomic(scratch / "grid.cfg", text);
    return scratch / "grid.cfg";
  }
  Plan plan(const std::string& text) const { return make_plan(read_grid(grid_file(head() + text)), {}); }
  // The complaint about a grid whose text starts at line 5, without the path.
  std::string complaint(const std::string& text) const {
    try {
      plan(text);
    } catch (const Error& problem) {
      EXPECT_EQ(problem.kind(), ErrorKind::input);
      std::string what = problem.what();
      const std::string file = (scratch / "grid.cfg").native();
      return what.starts_with(file) ? what.substr(file.size() + 1) : what;
    }
    return "";
  }
  Scratch scratch;
};

}  // namespace clip_hpc
