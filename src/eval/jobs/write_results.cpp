#include "clip_hpc/eval/jobs/write_results.hpp"

#include <unistd.h>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/comm/collectively.hpp"
#include "clip_hpc/run/results.hpp"

namespace clip_hpc {
namespace {

void write_artefact(const RunFolder& folder, const Artefact& artefact, std::int64_t step) {
  if (!artefact.step_in.empty()) {
    const std::filesystem::path there = folder.path / artefact.step_in;
    if (std::filesystem::exists(there) && read_json_file(there).value("step", std::int64_t{0}) > step) return;
  }
  const std::filesystem::path file = folder.path / artefact.name;
  std::filesystem::create_directories(file.parent_path());
  write_file_atomic(file, artefact.bytes);
}

void try_to_write(const std::filesystem::path& folder) {
  const std::filesystem::path file = folder / fmt::format(".writable.{}", ::getpid());
  try {
    write_file_atomic(file, "");
  } catch (const Error& problem) {
    throw storage_error("nothing can be written into {} ({}): give another --output", folder.native(), problem.what());
  }
  std::error_code ignored;
  std::filesystem::remove(file, ignored);
}

}  // namespace

void check_results_folder(World& world, const RunFolder& folder) {
  together(world, [&] {
    if (world.rank() != 0) return;
    std::error_code failed;
    std::filesystem::create_directories(folder.path, failed);
    if (failed)
      throw storage_error("cannot create {}: {}; give another --output", folder.path.native(), failed.message());
    try_to_write(folder.path);
    try {
      read_run_results(folder);
    } catch (const Error& problem) {
      throw storage_error("{}: move it away, or give another --output", problem.what());
    }
  });
}

void check_output(World& world, const std::filesystem::path& file) {
  together(world, [&] {
    if (world.rank() == 0) try_to_write(file.has_parent_path() ? file.parent_path() : ".");
  });
}

void write_task_result(Communicator& comm, const RunFolder& folder, const TaskResult& done) {
  together(comm, [&] {
    if (comm.rank() != 0) return;
    for (const Artefact& artefact : done.artefacts) write_artefact(folder, artefact, done.result.step);
    append_result(folder.results_file(), done.result);
  });
}

}  // namespace clip_hpc
