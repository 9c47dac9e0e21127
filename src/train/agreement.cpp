#include "clip_hpc/train/agreement.hpp"

namespace clip_hpc {
namespace {

enum Flag : std::size_t { kStop = 0, kSave = 1 };

}  // namespace

void Agreement::propose(const Agreed& mine) {
  World::ControlFlags flags{};
  flags[kStop] = mine.stop ? 1 : 0;
  flags[kSave] = mine.save ? 1 : 0;
  world_.start_flags(flags);
}

Agreed Agreement::wait() {
  const World::ControlFlags flags = world_.wait_flags();
  return {.stop = flags[kStop] != 0, .save = flags[kSave] != 0};
}

}  // namespace clip_hpc
