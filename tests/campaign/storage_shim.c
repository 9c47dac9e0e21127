// LD_PRELOAD: storage that fails. Calls on files below STORAGE_BELOW are counted, over all threads of a process; the
// STORAGE_AT-th one fails as STORAGE_FAULT says, and with STORAGE_FOR those that follow it:
//   die      the process ends, as by a kill          enospc eio estale edquot   the call fails so
//   short    a write is half done                    stall    the call takes STORAGE_STALL_S seconds (5)
//   nolock   every flock fails with ENOLCK, as on some network file systems
//   count    nothing; the number of calls is written to STORAGE_COUNT when the process ends
// With STORAGE_RANK, only in that rank of Open MPI.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;
static char below[4096];
static size_t below_length;
static long at = -1, for_calls = 1;
static const char* fault = "";

static void setup(void) __attribute__((constructor));
static void setup(void) {
  const char* path = getenv("STORAGE_BELOW");
  const char* rank = getenv("STORAGE_RANK");
  const char* own = getenv("OMPI_COMM_WORLD_RANK");
  if (path == NULL || realpath(path, below) == NULL) return;
  below_length = strlen(below);
  if (getenv("STORAGE_FAULT")) fault = getenv("STORAGE_FAULT");
  if (rank != NULL && own != NULL && strcmp(rank, own) != 0) return;
  if (getenv("STORAGE_AT")) at = atol(getenv("STORAGE_AT"));
  if (getenv("STORAGE_FOR")) for_calls = atol(getenv("STORAGE_FOR"));
}

static void tell(void) __attribute__((destructor));
static void tell(void) {
  const char* file = getenv("STORAGE_COUNT");
  if (file == NULL || below_length == 0) return;
  FILE* out = fopen(file, "a");
  if (out != NULL) {
    fprintf(out, "%ld\n", atomic_load(&calls));
    fclose(out);
  }
}

static int is_below(const char* path) {
  char full[4096];
  if (below_length == 0 || path == NULL) return 0;
  if (path[0] == '/') {
    snprintf(full, sizeof full, "%s", path);
  } else {
    if (getcwd(full, sizeof full) == NULL) return 0;
    const size_t length = strlen(full);
    snprintf(full + length, sizeof full - length, "/%s", path);
  }
  return strncmp(full, below, below_length) == 0;
}

static int is_file_below(int fd) {
  char link[64], path[4096];
  if (below_length == 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length <= 0) return 0;
  path[length] = 0;
  return strncmp(path, below, below_length) == 0;
}

// 0: go on; 1: half of it; else errno is set and the call fails.
static int trouble(void) {
  const long n = atomic_fetch_add(&calls, 1) + 1;
  if (at < 0 || n < at || n >= at + for_calls) return 0;
  if (strcmp(fault, "die") == 0) kill(getpid(), SIGKILL);
  if (strcmp(fault, "short") == 0) return 1;
  if (strcmp(fault, "stall") == 0) {
    const char* seconds = getenv("STORAGE_STALL_S");
    sleep(seconds == NULL ? 5 : (unsigned)atoi(seconds));
    return 0;
  }
  if (strcmp(fault, "enospc") == 0) return errno = ENOSPC;
  if (strcmp(fault, "eio") == 0) return errno = EIO;
  if (strcmp(fault, "estale") == 0) return errno = ESTALE;
  if (strcmp(fault, "edquot") == 0) return errno = EDQUOT;
  return 0;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int opened(const char* name, int dir, const char* path, int flags, mode_t mode) {
  if (is_below(path)) {
    const int problem = trouble();
    if (problem > 1) return -1;
  }
  int (*real)(int, const char*, int, ...) = dlsym(RTLD_NEXT, name);
  return real(dir, path, flags, mode);
}
int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return opened("openat", AT_FDCWD, path, flags, mode);
}
int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return opened("openat64", AT_FDCWD, path, flags, mode);
}

#define WRITER(name, ...)                                          \
  if (is_file_below(fd)) {                                         \
    const int problem = trouble();                                 \
    if (problem > 1) return -1;                                    \
    if (problem == 1 && size > 1) size /= 2;                       \
  }                                                                \
  return REAL(name)(__VA_ARGS__)
ssize_t write(int fd, const void* data, size_t size) { WRITER(write, fd, data, size); }
ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) { WRITER(pwrite, fd, data, size, offset); }
ssize_t pwrite64(int fd, const void* data, size_t size, off64_t offset) { WRITER(pwrite64, fd, data, size, offset); }
ssize_t read(int fd, void* data, size_t size) { WRITER(read, fd, data, size); }
ssize_t pread(int fd, void* data, size_t size, off_t offset) { WRITER(pread, fd, data, size, offset); }
ssize_t pread64(int fd, void* data, size_t size, off64_t offset) { WRITER(pread64, fd, data, size, offset); }

#define ON_PATH(name, path, ...)                \
  if (is_below(path) && trouble() > 1) return -1; \
  return REAL(name)(__VA_ARGS__)
int rename(const char* from, const char* to) { ON_PATH(rename, to, from, to); }
int link(const char* from, const char* to) { ON_PATH(link, to, from, to); }
int unlink(const char* path) { ON_PATH(unlink, path, path); }
int mkdir(const char* path, mode_t mode) { ON_PATH(mkdir, path, path, mode); }
int rmdir(const char* path) { ON_PATH(rmdir, path, path); }
int fsync(int fd) {
  if (is_file_below(fd) && trouble() > 1) return -1;
  return REAL(fsync)(fd);
}
int ftruncate(int fd, off_t size) {
  if (is_file_below(fd) && trouble() > 1) return -1;
  return REAL(ftruncate)(fd, size);
}
int flock(int fd, int operation) {
  if (strcmp(fault, "nolock") == 0) {
    errno = ENOLCK;
    return -1;
  }
  return REAL(flock)(fd, operation);
}
