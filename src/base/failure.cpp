#include "clip_hpc/base/failure.hpp"

#include <filesystem>
#include <new>
#include <stdexcept>

#include "clip_hpc/base/json.hpp"

namespace clip_hpc {

Error out_of_memory() {
  return input_error(
      "more memory is asked for than there is: give smaller numbers (train.global_batch, train.micro_batch, the "
      "model), or "
      "take a larger node");
}

Error error_of(const std::exception& problem) {
  if (const auto* error = dynamic_cast<const Error*>(&problem)) return *error;
  if (dynamic_cast<const std::filesystem::filesystem_error*>(&problem) != nullptr) {
    return storage_error("{}; check that path, its permissions and the space that is left", problem.what());
  }
  if (dynamic_cast<const Json::exception*>(&problem) != nullptr) {
    return storage_error(
        "a JSON file holds something else than this program writes: {}; mend it, or have it written anew",
        problem.what());
  }
  if (dynamic_cast<const std::bad_alloc*>(&problem) != nullptr ||
      dynamic_cast<const std::length_error*>(&problem) != nullptr) {
    return out_of_memory();
  }
  return {ErrorKind::internal, problem.what()};
}

}  // namespace clip_hpc
