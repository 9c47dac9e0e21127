// Signals that ask a program to stop: USR1 (Slurm's --signal), TERM (preemption, time limit), INT (Ctrl-C).
//
// No handler runs on a thread that works: all threads block these signals, and one thread waits for them. A handler's
// frame would be put below the stack pointer of whatever is running, where the fp32 products of oneDNN 2.6 keep data.
#pragma once

namespace clip_hpc {

// Blocks them in this thread; for .preinit_array, so that a signal while libraries are initialised waits.
void block_stop_signals();

// First thing in main, before there is another thread. Children must be started with base/process, which gives them
// unblocked signals.
void watch_stop_signals();

// While one lives, a request is only noted, and the program stops where it suits it. Without one, a request ends the
// program with exit code 75 where it stands: files are complete or absent, so that the same command continues.
//
// Who insists is obeyed at once, and the program dies of the signal: INT after any request, TERM a second or more after
// another TERM. USR1 never insists, and neither does TERM after USR1: Slurm's way from a warning to the time limit.
// `leaves_nothing`: who insists gets 75 all the same, since other processes do the work and were told to stop.
class OrderlyStop {
 public:
  explicit OrderlyStop(bool leaves_nothing = false);
  ~OrderlyStop();
  OrderlyStop(const OrderlyStop&) = delete;
  OrderlyStop& operator=(const OrderlyStop&) = delete;

 private:
  bool leaves_nothing_;
};

bool shutdown_requested();  // on this rank; the ranks agree through World's control flags
void request_shutdown();    // as a signal does
void clear_shutdown_request();

}  // namespace clip_hpc
