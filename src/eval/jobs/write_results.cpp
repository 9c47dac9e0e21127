#include "clip_hpc/eval/jobs/write_results.hpp"

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/comm/collectively.hpp"

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

}  // namespace

void write_task_result(Communicator& comm, const RunFolder& folder, const TaskResult& done) {
  together(comm, [&] {
    if (comm.rank() != 0) return;
    for (const Artefact& artefact : done.artefacts) write_artefact(folder, artefact, done.result.step);
    append_result(folder.results_file(), done.result);
  });
}

}  // namespace clip_hpc
