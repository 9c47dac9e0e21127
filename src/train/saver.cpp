#include "clip_hpc/train/saver.hpp"

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/log.hpp"
#include "clip_hpc/train/watchdog.hpp"

namespace clip_hpc {
namespace {

constexpr double kWorthALine_s = 1;

WriterOptions writer_options(const TrainingRun& run) {
  return {.timeout_s = run.config.checkpoint.timeout_s,
          .on_hang = [](const std::string& text) { leave_hung_run(text, ErrorKind::storage); },
          .on_complete = [folder = run.request.folder,
                          options = run.config.checkpoint](double) { remove_expired(folder, options); }};
}

// A process that was suspended for long may have been taken for dead.
void check_still_ours(const TrainingRun& run) {
  if (!run.request.holds_folder || run.request.holds_folder()) return;
  leave_hung_run(fmt::format("{} was taken over by another program", run.request.folder.path.native()),
                 ErrorKind::storage);
}

}  // namespace

Saver::Saver(TrainingRun& run) : run_(run), writer_(run.world, writer_options(run)) {}

// Minutes are rank 0's: clocks differ.
Agreed Saver::proposal(bool stop) const {
  const double minutes = run_.config.checkpoint.every_minutes;
  return {.stop = stop,
          .save = run_.world.rank() == 0 && minutes > 0 && since_checkpoint_.seconds() > 60 * minutes,
          .writing = writer_.is_writing(),
          .save_failed = writer_.has_failed()};
}

void Saver::after_step(const Agreed& agreed) {
  const bool has_all_parts = writer_.waits_for_parts() && !agreed.writing;
  if (agreed.save_failed || has_all_parts) writer_.advance();
}

void Saver::begin() {
  check_still_ours(run_);
  const Timer timer;
  writer_.finish();
  const double for_the_last_s = timer.seconds();
  writer_.begin(run_.request.folder.checkpoint_path(run_.progress.step),
                content_of({run_.model, run_.updater}, run_.progress, about_run(run_)));
  since_checkpoint_.restart();
  waited_s_ += timer.seconds();
  ++count_;
  if (for_the_last_s > kWorthALine_s) {
    log_info(
        "the training waited {:.1f} s for the checkpoint before: storage is slower than the checkpoints are frequent",
        for_the_last_s);
  }
}

void Saver::finish() {
  const Timer timer;
  writer_.finish();
  waited_s_ += timer.seconds();
}

void Saver::report() const {
  if (count_ == 0) return;
  log_info("{} checkpoints; the training waited {:.2f} s for them, {:.2f} % of {:.0f} s", count_, waited_s_,
           100 * waited_s_ / session_.seconds(), session_.seconds());
}

}  // namespace clip_hpc
