// A run folder that this program has to itself while it trains.
#pragma once

#include <memory>

#include "clip_hpc/base/lease.hpp"
#include "clip_hpc/comm/world.hpp"
#include "clip_hpc/run/run_folder.hpp"

namespace clip_hpc {

class ClaimedFolder {
 public:
  // Collective. Makes the folder, takes its lease (rank 0), and removes what killed writers left in it. `begins_anew`:
  // a run that is there is kept under another name. Throws input, naming who trains there, when somebody does.
  ClaimedFolder(World& world, const RunFolder& folder, bool begins_anew);

  bool is_held() const { return lease_ == nullptr || lease_->is_mine(); }  // ranks other than 0 do not know

 private:
  std::unique_ptr<Lease> lease_;
};

}  // namespace clip_hpc
