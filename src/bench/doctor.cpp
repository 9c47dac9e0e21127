#include "clip_hpc/bench/doctor.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <H5public.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/json.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/base/version.hpp"
#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/comm/device.hpp"

namespace clip_hpc {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr double kMiB = 1024.0 * 1024.0;
constexpr std::uint64_t kFewOpenFiles = 4096;

int cores_allowed() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 0;
}

double memory_available_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    double kib = 0;
    if (words >> name >> kib && name == "MemAvailable:") return kib * 1024.0;
  }
  return 0;
}

double free_bytes(const char* path) {
  struct statvfs state {};
  return statvfs(path, &state) == 0 ? static_cast<double>(state.f_bavail) * static_cast<double>(state.f_frsize) : 0.0;
}

std::string cuda_version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

std::string libraries(const World& world) {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("clip_hpc {} ({}), LibTorch {}, {}, HDF5 {}.{}.{}", program_version(), git_commit(), TORCH_VERSION,
                     world.mpi_version(), major, minor, release);
}

Json devices() {
  std::string reason;
  Json found = {{"lines", Json::array()}};
  const auto library = open_device_library(&reason);
  if (!library) {
    found["reason"] = reason.empty() ? "libclip_hpc_cuda.so was not found" : reason;
    return found;
  }
  found["reason"] = "";
  found["lines"].push_back(fmt::format("{}, CUDA {} (driver: {})", library->path(),
                                       cuda_version(library->runtime_version()),
                                       cuda_version(library->driver_version())));
  found["lines"].push_back(device_library_versions(*library));
  const int count = library->device_count();
  if (count == 0) found["reason"] = "the driver shows none (nvidia-smi, CUDA_VISIBLE_DEVICES, --gpus-per-node)";
  for (int i = 0; i < count; ++i) {
    try {
      found["lines"].push_back(fmt::format("device {}: {}, {:.1f} GiB free", i, library->describe(i),
                                           static_cast<double>(library->memory(i).free_bytes) / kGiB));
    } catch (const Error& problem) {
      found["lines"].push_back(problem.what());
    }
  }
  return found;
}

Json about_this_rank(const World& world) {
  return {{"rank", world.rank()},
          {"host", world.host_name()},
          {"local_rank", world.local_rank()},
          {"local_size", world.local_size()},
          {"cores", cores_allowed()},
          {"threads", at::get_num_threads()},
          {"memory_gib", memory_available_bytes() / kGiB},
          {"open_files", raise_open_file_limit()},
          {"shm_gib", free_bytes("/dev/shm") / kGiB},
          {"libraries", libraries(world)},
          // One rank of a node asks the driver: 8 processes that create contexts at once tell nothing more.
          {"devices", world.local_rank() == 0 ? devices() : Json()}};
}

void report_ranks(const std::vector<Json>& ranks, DoctorReport& report) {
  report.lines.push_back(
      fmt::format("{:>6}  {:<20} {:>10} {:>6} {:>8}", "rank", "host", "local rank", "cores", "threads"));
  std::map<std::string, int> threads_on;
  std::map<std::string, int> most_cores;
  for (const Json& one : ranks) {
    const auto host = one["host"].get<std::string>();
    report.lines.push_back(fmt::format("{:>6}  {:<20} {:>10} {:>6} {:>8}", one["rank"].get<int>(), host,
                                       one["local_rank"].get<int>(), one["cores"].get<int>(),
                                       one["threads"].get<int>()));
    threads_on[host] += one["threads"].get<int>();
    most_cores[host] = std::max(most_cores[host], one["cores"].get<int>());
    if (one["threads"].get<int>() > one["cores"].get<int>()) {
      report.advice.push_back(
          fmt::format("rank {} has {} threads on {} cores: set OMP_NUM_THREADS, or give it cores "
                      "(srun --cpus-per-task, mpirun --map-by ppr:N:node:PE=cores)",
                      one["rank"].get<int>(), one["threads"].get<int>(), one["cores"].get<int>()));
    }
  }
  for (const auto& [host, threads] : threads_on) {
    // Ranks that are not bound all see the same cores: then the sum of their threads counts.
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads > online && most_cores[host] >= online) {
      report.advice.push_back(
          fmt::format("{}: {} threads of all ranks share {} cores: fewer ranks, or OMP_NUM_THREADS={}", host, threads,
                      most_cores[host], 1));
    }
  }
}

void report_nodes(const std::vector<Json>& ranks, DoctorReport& report) {
  std::set<std::string> versions;
  for (const Json& one : ranks) versions.insert(one["libraries"].get<std::string>());
  for (const std::string& version : versions) report.lines.push_back("versions: " + version);
  if (versions.size() > 1) {
    report.problems.push_back({ErrorKind::comm, "ranks run different versions: install one build on all nodes"});
  }
  for (const Json& one : ranks) {
    if (one["local_rank"] != 0) continue;
    const auto host = one["host"].get<std::string>();
    report.lines.push_back(
        fmt::format("{}: {} ranks, {:.1f} GiB memory free, {:.1f} GiB /dev/shm free, {} open files a rank", host,
                    one["local_size"].get<int>(), one["memory_gib"].get<double>(), one["shm_gib"].get<double>(),
                    one["open_files"].get<std::uint64_t>()));
    if (one["open_files"].get<std::uint64_t>() < kFewOpenFiles) {
      report.advice.push_back(
          fmt::format("{}: a process may open {} files, and a packed set keeps one open a shard: raise the hard limit "
                      "(ulimit -Hn, LimitNOFILE of slurmd) before sets of more shards",
                      host, one["open_files"].get<std::uint64_t>()));
    }
    if (one["local_size"].get<int>() > 1 && one["shm_gib"].get<double>() < 0.0625) {
      report.problems.push_back({ErrorKind::comm, host + ": /dev/shm is full, MPI needs it between ranks of a node: "
                                                         "remove what dead jobs left there"});
    }
    if (one["memory_gib"].get<double>() < 0.25 * one["local_size"].get<int>()) {
      report.problems.push_back({ErrorKind::input, host + ": less than 0.25 GiB memory a rank: fewer ranks a node"});
    }
    const Json& device = one["devices"];
    if (const auto reason = device["reason"].get<std::string>(); !reason.empty()) {
      report.lines.push_back(fmt::format("{}: no devices: {}", host, reason));
    }
    for (const Json& line : device["lines"]) report.lines.push_back(host + ": " + line.get<std::string>());
  }
}

void report_slurm(DoctorReport& report) {
  std::string text;
  for (const char* name : {"SLURM_JOB_ID", "SLURM_STEP_ID", "SLURM_JOB_PARTITION", "SLURM_JOB_NODELIST", "SLURM_NNODES",
                           "SLURM_NTASKS", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS_PER_NODE", "SLURM_CPUS_PER_TASK",
                           "SLURM_GPUS_ON_NODE", "SLURM_MEM_PER_NODE", "SLURM_JOB_END_TIME", "SLURM_RESTART_COUNT"}) {
    if (const char* value = std::getenv(name)) text += fmt::format(" {}={}", name, value);
  }
  report.lines.push_back("slurm:" + (text.empty() ? " not in a job" : text));
}

// Times an all-reduce as nccl-tests does: busbw = 2 (n - 1) / n * algbw compares with the speed of a link.
void report_bandwidth(World& world, double seconds, DoctorReport& report) {
  const auto communicator = world.size() == 1 ? make_self_communicator() : make_mpi_communicator(world);
  const double n = world.size();
  report.lines.push_back(fmt::format("all-reduce ({}, {} ranks): {:>9} {:>11} {:>13} {:>13}", communicator->name(),
                                     world.size(), "KiB", "ms", "algbw MB/s", "busbw MB/s"));
  for (const std::int64_t bytes : {std::int64_t{4} << 10, std::int64_t{1} << 20, std::int64_t{16} << 20}) {
    const at::Tensor tensor = at::ones({bytes / 4}, at::kFloat);
    communicator->all_reduce(tensor, ReduceOp::sum);
    std::array<double, 1> wrong{at::eq(tensor, n).all().item<bool>() ? 0.0 : 1.0};
    world.all_reduce_max(wrong);
    if (wrong[0] > 0) {
      report.problems.push_back({ErrorKind::comm, fmt::format("an all-reduce of {} bytes gave wrong sums", bytes)});
    }
    Timer timer;
    communicator->all_reduce(tensor, ReduceOp::mean);  // mean keeps the values finite
    std::array<double, 1> once{timer.seconds()};
    world.all_reduce_max(once);  // so that all ranks agree on the number of repetitions
    const int repeats = static_cast<int>(std::clamp(seconds / std::max(once[0], 1e-6), 3.0, 1000.0));
    communicator->barrier();
    timer.restart();
    for (int i = 0; i < repeats; ++i) communicator->all_reduce(tensor, ReduceOp::max);
    std::array<double, 1> each{timer.seconds() / repeats};
    world.all_reduce_max(each);
    const double algorithm = static_cast<double>(bytes) / each[0] / 1e6;
    if (world.size() == 1) {
      report.lines.push_back("  one rank: nothing is sent");
      break;
    }
    report.lines.push_back(fmt::format("{:>38} {:>11.4f} {:>13.1f} {:>13.1f}", bytes >> 10, 1e3 * each[0], algorithm,
                                       algorithm * 2 * (n - 1) / n));
  }
}

class ScratchFile {  // removed whatever happens
 public:
  explicit ScratchFile(std::filesystem::path path) : path_(std::move(path)) {}
  ~ScratchFile() {
    std::error_code ignored;
    std::filesystem::remove(path_, ignored);
  }
  ScratchFile(const ScratchFile&) = delete;
  ScratchFile& operator=(const ScratchFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void write_and_sync(const std::filesystem::path& path, std::int64_t mib) {
  if (!std::ofstream(path)) throw storage_error("cannot create {}", path.native());
  const FileDescriptor file = FileDescriptor::open_write(path);
  const std::vector<std::byte> block(std::size_t{1} << 20, std::byte{0x5a});
  for (std::int64_t i = 0; i < mib; ++i) {
    pwrite_all(file.get(), block, static_cast<std::uint64_t>(i) << 20, path.native());
  }
  if (fsync(file.get()) != 0) throw storage_error("cannot fsync {}", path.native());
}

// Some network file systems have no locks: the suite does without, other programs that read its HDF5 files may not.
std::string locks_in(const std::filesystem::path& folder) {
  const ScratchFile file(folder / fmt::format(".clip_hpc_doctor_lock_{}", getpid()));
  if (!std::ofstream(file.path())) return fmt::format("file locks in {}: not tried", folder.native());
  const FileDescriptor opened = FileDescriptor::open_read(file.path());
  errno = 0;
  if (flock(opened.get(), LOCK_SH | LOCK_NB) == 0) return fmt::format("file locks in {}: work", folder.native());
  return fmt::format("file locks in {}: none ({}); clip_hpc does without, for h5py set HDF5_USE_FILE_LOCKING=FALSE",
                     folder.native(), std::strerror(errno));
}

void report_storage(World& world, const DoctorOptions& options, DoctorReport& report) {
  if (options.dir.empty()) {
    report.lines.push_back("storage: not tried (give --dir FOLDER)");
    return;
  }
  world.barrier();
  const Timer timer;
  std::string failure;
  try {
    const ScratchFile file(options.dir / fmt::format(".clip_hpc_doctor_{}_{}", world.rank(), getpid()));
    write_and_sync(file.path(), options.write_mib);
  } catch (const Error& problem) {
    failure = problem.what();
  }
  std::array<double, 1> slowest{timer.seconds()};
  world.all_reduce_max(slowest);
  const std::vector<std::string> failures = world.all_gather_strings(failure);
  for (std::size_t rank = 0; rank < failures.size(); ++rank) {
    if (!failures[rank].empty()) {
      report.problems.push_back({ErrorKind::storage, fmt::format("rank {}: {}", rank, failures[rank])});
      return;  // one line is enough: a missing folder is missing on all of them
    }
  }
  const double total_mib = static_cast<double>(options.write_mib) * world.size();
  report.lines.push_back(fmt::format("storage {}: {} x {} MiB written and synced in {:.2f} s, {:.0f} MB/s",
                                     options.dir.native(), world.size(), options.write_mib, slowest[0],
                                     total_mib * kMiB / 1e6 / slowest[0]));
  if (world.rank() == 0) report.lines.push_back(locks_in(options.dir));
}

}  // namespace

DoctorReport examine(World& world, const DoctorOptions& options) {
  DoctorReport report;
  std::vector<Json> ranks;
  for (const std::string& text : world.all_gather_strings(about_this_rank(world).dump())) {
    ranks.push_back(Json::parse(text));
  }
  report_ranks(ranks, report);
  report_nodes(ranks, report);
  report_slurm(report);
  report_bandwidth(world, options.seconds_a_bandwidth, report);
  report_storage(world, options, report);
  return report;
}

}  // namespace clip_hpc
