#include "clip_hpc/comm/world.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <numeric>
#include <string_view>
#include <thread>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/timer.hpp"
#include "clip_hpc/comm/finalize.hpp"
#include "clip_hpc/comm/pinned_libraries.hpp"
#include "comm/mpi_check.hpp"

namespace clip_hpc {
namespace {

constexpr std::size_t kBroadcastPieceBytes = std::size_t{1} << 30;  // MPI-3 counts are int

int number_in(const char* text) {
  int value = 0;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
  return value;
}

template <class T>
void reduce(InFlight& slot, MPI_Comm comm, std::span<T> values, MPI_Datatype type, MPI_Op op, const char* name) {
  const InFlightMark mark(slot, name);
  mpi_check(MPI_Allreduce(mpi::in_place(), values.data(), static_cast<int>(values.size()), type, op, comm), name);
}

}  // namespace

void mpi_check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  throw comm_error("{}: {}", call, std::string_view(text, static_cast<std::size_t>(length)));
}

std::optional<std::string> launch_problem(int world_size, const std::function<const char*(const char*)>& environment) {
  // mpirun says how many it started. PMIX_RANK proves nothing: srun sets it for a program whose MPI does not know PMIx.
  if (world_size > 1 || environment("OMPI_COMM_WORLD_SIZE") != nullptr) return std::nullopt;
  const char* step = environment("SLURM_STEP_NUM_TASKS");
  const int tasks = number_in(step != nullptr ? step : environment("SLURM_NTASKS"));
  if (tasks <= 1) return std::nullopt;
  return fmt::format(
      "Slurm has {} tasks for this job, but MPI sees one process. Start with `srun --mpi=pmix clip_hpc ...` or "
      "`mpirun clip_hpc ...` (`srun --mpi=list` shows what this cluster offers); for one process on purpose: "
      "`srun -n 1 clip_hpc ...`",
      tasks);
}

struct World::Mpi {
  MPI_Comm comm = mpi::null_comm();      // our own: nobody else's messages can match ours
  MPI_Comm failures = mpi::null_comm();  // used by all_failed alone
  MPI_Request flags_request = mpi::null_request();
  ControlFlags flags{};
  bool flags_started = false;
};

World::World(WithoutMpi) {
  // What launchers say of a process: of several that print their help one is enough.
  for (const char* key : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    if (std::getenv(key) == nullptr) continue;
    rank_ = number_in(std::getenv(key));
    return;
  }
}

World::World() : mpi_(std::make_unique<Mpi>()) {
  int is_up = 0;
  MPI_Initialized(&is_up);
  if (is_up != 0) throw internal_error("World is made once a process: MPI is already up");
  // Asked before MPI starts: a process that starts alone gets the variables of a launcher from MPI_Init itself.
  const auto problem = launch_problem(1, [](const char* key) -> const char* { return std::getenv(key); });
  int provided = 0;
  // Backward on a GPU runs in a thread of autograd's, while the main thread waits for it: one at a time, not always
  // one.
  mpi_check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided), "MPI_Init_thread");
  pin_mpi_components();
  try {
    if (provided < MPI_THREAD_FUNNELED)
      throw comm_error("this MPI library offers no thread support (MPI_THREAD_FUNNELED)");
    mpi_check(MPI_Comm_dup(mpi::world_comm(), &mpi_->comm), "MPI_Comm_dup");
    mpi_check(MPI_Comm_set_errhandler(mpi_->comm, mpi::errors_return()), "MPI_Comm_set_errhandler");
    mpi_check(MPI_Comm_dup(mpi::world_comm(), &mpi_->failures), "MPI_Comm_dup");
    mpi_check(MPI_Comm_rank(mpi_->comm, &rank_), "MPI_Comm_rank");
    mpi_check(MPI_Comm_size(mpi_->comm, &size_), "MPI_Comm_size");
    MPI_Comm node = mpi::null_comm();
    mpi_check(MPI_Comm_split_type(mpi_->comm, MPI_COMM_TYPE_SHARED, rank_, mpi::no_info(), &node),
              "MPI_Comm_split_type");
    MPI_Comm_rank(node, &local_rank_);
    MPI_Comm_size(node, &local_size_);
    MPI_Comm_free(&node);
    char name[MPI_MAX_PROCESSOR_NAME] = {};
    int length = 0;
    mpi_check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name");
    host_name_.assign(name, static_cast<std::size_t>(length));
    if (size_ == 1 && problem) throw comm_error("{}", *problem);
  } catch (...) {
    finalize_mpi(kExitComm);  // the destructor does not run for a constructor that throws
    throw;
  }
}

World::~World() {
  if (!mpi_) return;  // without MPI
  int is_down = 0;
  MPI_Finalized(&is_down);
  if (is_down != 0) return;
  if (mpi_->flags_started) MPI_Wait(&mpi_->flags_request, mpi::no_status());
  MPI_Barrier(mpi_->comm);
  MPI_Comm_free(&mpi_->failures);
  MPI_Comm_free(&mpi_->comm);
  finalize_mpi(exit_code_);
}

std::string World::mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = {};
  int length = 0;
  mpi_check(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  const std::string_view all(text, static_cast<std::size_t>(length));
  return std::string(all.substr(0, all.find_first_of(",\n")));
}

void World::barrier() {
  const InFlightMark mark(*in_flight_, "World::barrier");
  mpi_check(MPI_Barrier(mpi_->comm), "MPI_Barrier");
}

void World::broadcast_bytes(void* data, std::size_t size, int root) {
  if (root < 0 || root >= size_) throw internal_error("broadcast from rank {} of {}", root, size_);
  const InFlightMark mark(*in_flight_, "World::broadcast");
  auto* bytes = static_cast<std::byte*>(data);
  for (std::size_t done = 0; done < size; done += kBroadcastPieceBytes) {
    const int piece = static_cast<int>(std::min(kBroadcastPieceBytes, size - done));
    mpi_check(MPI_Bcast(bytes + done, piece, mpi::type_byte(), root, mpi_->comm), "MPI_Bcast");
  }
}

std::string World::broadcast(std::string value, int root) {
  std::uint64_t size = value.size();
  broadcast_bytes(&size, sizeof size, root);
  value.resize(size);
  broadcast_bytes(value.data(), size, root);
  return value;
}

std::vector<std::byte> World::broadcast(std::vector<std::byte> value, int root) {
  std::uint64_t size = value.size();
  broadcast_bytes(&size, sizeof size, root);
  value.resize(size);
  broadcast_bytes(value.data(), size, root);
  return value;
}

void World::all_reduce_max(std::span<double> values) {
  reduce(*in_flight_, mpi_->comm, values, mpi::type_double(), mpi::op_max(), "World::all_reduce_max");
}
void World::all_reduce_min(std::span<double> values) {
  reduce(*in_flight_, mpi_->comm, values, mpi::type_double(), mpi::op_min(), "World::all_reduce_min");
}
void World::all_reduce_sum(std::span<double> values) {
  reduce(*in_flight_, mpi_->comm, values, mpi::type_double(), mpi::op_sum(), "World::all_reduce_sum");
}
void World::all_reduce_max(std::span<std::int64_t> values) {
  reduce(*in_flight_, mpi_->comm, values, mpi::type_int64(), mpi::op_max(), "World::all_reduce_max");
}

// All ranks learn all lengths, so that all of them agree on whether the whole fits into MPI's int counts.
std::vector<std::int64_t> World::lengths_of(const std::string& mine) {
  std::vector<std::int64_t> lengths(static_cast<std::size_t>(size_));
  const auto length = static_cast<std::int64_t>(mine.size());
  mpi_check(MPI_Allgather(&length, 1, mpi::type_int64(), lengths.data(), 1, mpi::type_int64(), mpi_->comm),
            "MPI_Allgather");
  const auto total = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
  if (total > std::numeric_limits<int>::max()) {
    throw comm_error("gathering {} bytes of control data: 2 GiB is the limit, use a file", total);
  }
  return lengths;
}

namespace {

struct Layout {
  std::vector<int> counts;
  std::vector<int> starts;
  std::string all;

  explicit Layout(const std::vector<std::int64_t>& lengths) {
    int total = 0;
    for (const std::int64_t length : lengths) {
      counts.push_back(static_cast<int>(length));
      starts.push_back(total);
      total += counts.back();
    }
    all.resize(static_cast<std::size_t>(total));
  }
  std::vector<std::string> split() const {
    std::vector<std::string> parts;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      parts.push_back(all.substr(static_cast<std::size_t>(starts[i]), static_cast<std::size_t>(counts[i])));
    }
    return parts;
  }
};

}  // namespace

std::vector<std::string> World::gather_strings(const std::string& mine) {
  const InFlightMark mark(*in_flight_, "World::gather_strings");
  Layout layout(lengths_of(mine));
  mpi_check(MPI_Gatherv(mine.data(), static_cast<int>(mine.size()), mpi::type_byte(), layout.all.data(),
                        layout.counts.data(), layout.starts.data(), mpi::type_byte(), 0, mpi_->comm),
            "MPI_Gatherv");
  return rank_ == 0 ? layout.split() : std::vector<std::string>{};
}

std::vector<std::string> World::all_gather_strings(const std::string& mine) {
  const InFlightMark mark(*in_flight_, "World::all_gather_strings");
  Layout layout(lengths_of(mine));
  mpi_check(MPI_Allgatherv(mine.data(), static_cast<int>(mine.size()), mpi::type_byte(), layout.all.data(),
                           layout.counts.data(), layout.starts.data(), mpi::type_byte(), mpi_->comm),
            "MPI_Allgatherv");
  return layout.split();
}

void World::start_flags(const ControlFlags& mine) {
  if (mpi_->flags_started) throw internal_error("start_flags: the flags before are still on their way");
  mpi_->flags = mine;
  mpi_check(MPI_Iallreduce(mpi::in_place(), mpi_->flags.data(), static_cast<int>(mpi_->flags.size()), mpi::type_int64(),
                           mpi::op_max(), mpi_->comm, &mpi_->flags_request),
            "MPI_Iallreduce");
  mpi_->flags_started = true;
}

World::ControlFlags World::wait_flags() {
  if (!mpi_->flags_started) throw internal_error("wait_flags without start_flags");
  const InFlightMark mark(*in_flight_, "World::wait_flags");
  mpi_->flags_started = false;
  mpi_check(MPI_Wait(&mpi_->flags_request, mpi::no_status()), "MPI_Wait");
  return mpi_->flags;
}

bool World::flags_started() const { return mpi_->flags_started; }

bool World::all_failed(double seconds) {
  MPI_Request request = mpi::null_request();
  if (MPI_Ibarrier(mpi_->failures, &request) != MPI_SUCCESS) return false;
  const Timer timer;
  int done = 0;
  do {
    if (MPI_Test(&request, &done, mpi::no_status()) != MPI_SUCCESS) return false;
    if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  } while (done == 0 && timer.seconds() < seconds);
  return done != 0;
}

void World::abort(int code) {
  std::fflush(nullptr);
  if (size_ > 1) {
    MPI_Abort(mpi_->comm, code);
  } else {
    finalize_mpi(code);  // nobody to stop: spare the user MPI_Abort's banner
  }
  std::_Exit(code);
}

}  // namespace clip_hpc
