// Signals that ask a run to save and stop: USR1 (Slurm's --signal), TERM (preemption, time limit), INT (Ctrl-C).
#pragma once

namespace clip_hpc {

void install_shutdown_signals();
bool shutdown_requested();  // on this rank; the ranks agree through World's control flags
void clear_shutdown_request();

}  // namespace clip_hpc
