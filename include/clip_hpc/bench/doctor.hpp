// Is this allocation fit to run? Looks at ranks, cores, memory, libraries, devices, storage and the speed of MPI.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/world.hpp"

namespace clip_hpc {

struct DoctorOptions {
  std::filesystem::path dir;         // empty: storage is not tried
  std::int64_t write_mib = 64;       // by every rank at once
  double seconds_a_bandwidth = 0.2;  // how long each message size is repeated
};

struct DoctorFinding {
  ErrorKind kind;
  std::string text;  // what is wrong, and what to do
};

struct DoctorReport {  // the same on every rank
  std::vector<std::string> lines;
  std::vector<DoctorFinding> problems;  // these stop a run
  std::vector<std::string> advice;      // these make it slow
};

DoctorReport examine(World& world, const DoctorOptions& options);  // collective

}  // namespace clip_hpc
