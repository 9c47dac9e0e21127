#include "clip_hpc/comm/collectively.hpp"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>

#include <string>

#include "clip_hpc/base/failure.hpp"

namespace clip_hpc {
namespace {

[[noreturn]] void throw_of_rank(int rank, ErrorKind kind, std::string words) {
  if (rank != 0) words += fmt::format(" (rank {})", rank);
  throw Error(kind, words);
}

}  // namespace

Error as_error(const std::exception& problem) {
  if (const auto* error = dynamic_cast<const c10::Error*>(&problem)) {
    const bool is_device = dynamic_cast<const c10::OutOfMemoryError*>(error) != nullptr ||
                           dynamic_cast<const c10::AcceleratorError*>(error) != nullptr;
    const std::string words = error->what_without_backtrace();
    if (!is_device && words.find("DefaultCPUAllocator") != std::string::npos) return out_of_memory();
    return {is_device ? ErrorKind::device : ErrorKind::internal, words.substr(0, words.find('\n'))};
  }
  return error_of(problem);
}

void agree(Communicator& comm, const std::optional<Error>& problem) {
  const at::Tensor first = at::full({1}, problem ? comm.size() - comm.rank() : 0, at::kLong);
  comm.all_reduce(first, ReduceOp::max);
  if (first.item<std::int64_t>() == 0) return;
  const int root = comm.size() - static_cast<int>(first.item<std::int64_t>());
  const std::string own = problem ? problem->what() : "";
  const at::Tensor head = at::tensor({problem ? static_cast<std::int64_t>(problem->kind()) : 0, std::ssize(own)});
  comm.broadcast(head, root);
  const at::Tensor text = at::zeros({head[1].item<std::int64_t>()}, at::kByte);
  if (comm.rank() == root) std::copy(own.begin(), own.end(), text.data_ptr<std::uint8_t>());
  if (text.numel() > 0) comm.broadcast(text, root);
  const std::string words(text.const_data_ptr<std::uint8_t>(), text.const_data_ptr<std::uint8_t>() + text.numel());
  throw_of_rank(root, static_cast<ErrorKind>(head[0].item<std::int64_t>()), words);
}

void agree(World& world, const std::optional<Error>& problem) {
  const std::string mine = problem ? fmt::format("{} {}", static_cast<int>(problem->kind()), problem->what()) : "";
  const std::vector<std::string> all = world.all_gather_strings(mine);
  for (std::size_t rank = 0; rank < all.size(); ++rank) {
    if (all[rank].empty()) continue;
    throw_of_rank(static_cast<int>(rank), static_cast<ErrorKind>(std::stoi(all[rank])),
                  all[rank].substr(all[rank].find(' ') + 1));
  }
}

}  // namespace clip_hpc
