#include "clip_hpc/base/error.hpp"

namespace clip_hpc {

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::input:
      return kExitInput;
    case ErrorKind::storage:
      return kExitStorage;
    case ErrorKind::comm:
    case ErrorKind::hang:
      return kExitComm;
    case ErrorKind::lost_peer:
      return kExitStoppedCleanly;
    case ErrorKind::device:
      return kExitDevice;
    case ErrorKind::internal:
      return 1;
  }
  return 1;
}

const char* name_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::input:
      return "bad input";
    case ErrorKind::storage:
      return "storage";
    case ErrorKind::comm:
    case ErrorKind::hang:
      return "communication";
    case ErrorKind::lost_peer:
      return "communication, submit again";
    case ErrorKind::device:
      return "device";
    case ErrorKind::internal:
      return "internal error, please report it";
  }
  return "unknown";
}

}  // namespace clip_hpc
