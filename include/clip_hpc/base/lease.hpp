// Who may write into a folder: a file that its holder renews while it lives. Works without flock, on NFS and Lustre
// too: the file is made by link, its age is taken by the file system's own clock, and it is read again before it
// counts.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <string>
#include <thread>

namespace clip_hpc {

struct LeaseOptions {
  double lasts_s = 60;  // a holder that is silent for longer counts as dead; renewed six times in that time
  // Called in another thread when this holder was silent for so long that somebody else took over.
  std::function<void(const std::string& text)> on_loss;
};

struct LeaseHolder {
  std::string host;
  pid_t pid = 0;               // 0: nobody
  std::string job, restart;    // Slurm's; empty outside
  std::string space, started;  // within which pids mean something, and when the process began
  std::string token;           // of this holder alone
  double lasts_s = 0;
  double age_s = 0;  // since it was renewed

  std::string text() const;  // "process 123 on node7 (job 88), renewed 3 s ago"
};

class Lease {
 public:
  // Takes over from a holder that is dead: of this machine by its process, of another by its silence, which is waited
  // for. Throws input, naming the holder, when that lives; storage when the file cannot be made.
  Lease(std::filesystem::path file, LeaseOptions options);
  ~Lease();  // leaves no file
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  bool is_mine() const;                                          // as the file says
  const std::string& taken_from() const { return taken_from_; }  // the dead holder; empty: nobody

 private:
  bool try_to_make();
  bool try_without_links(const LeaseHolder& me, int why);
  bool take_over() const;
  void renew(const std::stop_token& stop) const;

  std::filesystem::path file_;
  LeaseOptions options_;
  std::string token_;
  std::string taken_from_;
  std::jthread renewer_;
};

LeaseHolder read_lease(const std::filesystem::path& file);
bool is_dead(const LeaseHolder& holder);  // as far as can be known from here

}  // namespace clip_hpc
