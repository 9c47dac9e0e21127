// The folder of a study of two towers, two sets, two seeds, with cells in several states and known numbers.
#pragma once

#include <string>

#include "clip_hpc/run/results.hpp"
#include "clip_hpc/study/folder.hpp"
#include "tests/postprocess/synthetic_run.hpp"
#include "tests/study/study_fixtures.hpp"

namespace clip_hpc {

// Cells are called B_full_0 … S_half_1; all are missing.
inline StudyFolder make_study(const Project& project) {
  const StudyFolder study{project.scratch / "study"};
  const std::string model = (project.scratch / "model.json").native();
  write_study(study,
              project.plan("[study]\nname = two\ntflops = 1\n[axis tower]\nB = model.config=" + model +
                           "\nS = model.config=" + model +
                           " optim.lr=1e-3\n[axis data]\nfull =\nhalf = study.count=500\n[axis seed]\nrun.seed = 0 1\n"
                           "[eval]\nwords = --data x\n"));
  return study;
}

inline void set_state(const StudyFolder& study, const std::string& cell, const std::string& stage,
                      const std::string& state, int attempts = 0, int code = 0, bool is_final = false, int lost = 0) {
  write_file_atomic(
      study.state_file(cell, stage),
      fmt::format(R"({{"state": "{}", "attempts": {}, "lost": {}, "final": {}, "exit_code": {}, "job": "7", )"
                  R"("host": "node3", "started": "", "ended": "2026-01-01T02:00:00Z"}})",
                  state, attempts, lost, is_final, code));
}

// Trained and evaluated: the run of make_run, 7400 s on 8 ranks.
inline void finish_cell(const StudyFolder& study, const std::string& cell, double accuracy = 0.616) {
  make_run(study.run(cell).path, accuracy);
  write_file_atomic(study.run(cell).config_file(), "[run]\nname = " + cell + "\n[optim]\nlr = 1e-3\n");
  for (const char* stage : {"train", "eval"}) set_state(study, cell, stage, "done");
  write_file_atomic(study.cell(cell) / "history.log",
                    "2026-01-01T00:00:00Z train start job 7 restart 0 on node3\n"
                    "2026-01-01T00:30:00Z train start job 7 restart 1 on node3\n"
                    "2026-01-01T02:00:00Z train end job 7 restart 1 exit code 0\n"
                    "2026-01-01T02:00:00Z eval start job 8 restart 0 on node3\n"
                    "2026-01-01T02:15:00Z eval end job 8 restart 0 exit code 0\n");
}

}  // namespace clip_hpc
