#include "clip_hpc/train/agreement.hpp"

namespace clip_hpc {
namespace {

enum Flag : std::size_t { kStop, kSave, kWriting, kSaveFailed };

}  // namespace

void Agreement::propose(const Agreed& mine) {
  World::ControlFlags flags{};
  flags[kStop] = mine.stop ? 1 : 0;
  flags[kSave] = mine.save ? 1 : 0;
  flags[kWriting] = mine.writing ? 1 : 0;
  flags[kSaveFailed] = mine.save_failed ? 1 : 0;
  world_.start_flags(flags);
}

Agreed Agreement::wait() {
  const World::ControlFlags flags = world_.wait_flags();
  return {.stop = flags[kStop] != 0,
          .save = flags[kSave] != 0,
          .writing = flags[kWriting] != 0,
          .save_failed = flags[kSaveFailed] != 0};
}

}  // namespace clip_hpc
