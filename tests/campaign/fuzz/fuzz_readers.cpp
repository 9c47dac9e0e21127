// fuzz_readers: damaged files for every reader. Each mutant is a function of (reader, seed, number) alone. Children
// read them, so that one that crashes, hangs or takes all memory is a line of the table and not the end.
//   fuzz_readers --list
//   fuzz_readers READER --count N --seed S --corpus FOLDER --scratch FOLDER --findings FOLDER
//   fuzz_readers READER --file F --scratch FOLDER     reads one file, as a finding is looked at
#include <dlfcn.h>
#include <execinfo.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/base/log.hpp"
#include "tests/campaign/fuzz/mutate.hpp"
#include "tests/campaign/fuzz/reader.hpp"

namespace clip_hpc::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr unsigned kSlow_s = 10;                          // that a file of a few kilobytes may take
constexpr rlim_t kMemory_bytes = std::uint64_t{6} << 30;  // of address space; a sanitizer needs more, and has a limit
constexpr int kDiedInHdf5 = 66;
constexpr std::uint64_t kKinds = 4;  // of outcomes that a child can tell

enum Outcome : std::uint64_t { accepted, refused, foreign, no_memory };

// What a child tells, in memory that outlives it.
struct Progress {
  std::uint64_t next = 0;  // the number that it is at
  std::uint64_t tally[kKinds] = {};
  std::uint64_t first_foreign = 0;
  std::uint64_t in_hdf5 = 0;  // crashes inside libhdf5, which has bugs of its own (docs/security.md)
  char message[256] = {};     // of the first exception that is no Error
};

struct Words {
  std::string reader, corpus, file;
  fs::path scratch, findings;
  std::uint64_t count = 1000, seed = 1;
};

Outcome outcome_of(const Reader& reader, std::string_view bytes, const fs::path& scratch, std::string& message) {
  try {
    reader.read(bytes, scratch);
    return accepted;
  } catch (const Error& error) {
    message = error.what();
    return error.kind() == ErrorKind::internal ? foreign : refused;
  } catch (const std::bad_alloc&) {
    message = "asks for more memory than there is";
    return no_memory;
  } catch (const std::exception& error) {
    message = error.what();
    return foreign;
  }
}

std::vector<std::string> corpus_of(const Reader& reader, const Words& words) {
  const fs::path scratch = words.scratch / "seeds";
  fs::remove_all(scratch);
  fs::create_directories(scratch);
  std::vector<std::string> corpus = reader.seeds(scratch);
  for (const std::string& whole : corpus) {
    std::string message;
    if (outcome_of(reader, whole, words.scratch, message) != accepted) {
      throw internal_error("{}: a whole file is not read: {}", reader.name, message);
    }
  }
  std::vector<fs::path> files;
  if (const fs::path folder = fs::path(words.corpus) / reader.name; fs::is_directory(folder)) {
    for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  for (const fs::path& file : files) corpus.push_back(read_back(file));
  return corpus;
}

// Whether a crash is libhdf5's own: the innermost frame that is neither this handler nor the C library lies there.
volatile Progress* crash_report = nullptr;
void leave_if_in_hdf5() {
  if (crash_report == nullptr) return;
  std::array<void*, 64> frames{};
  const int count = backtrace(frames.data(), static_cast<int>(frames.size()));
  const auto object_of = [](void* address) {
    Dl_info where{};
    return dladdr(address, &where) != 0 && where.dli_fname != nullptr ? std::string_view(where.dli_fname) : "?";
  };
  const auto is_runtime = [&](int i) {
    const std::string_view name = object_of(frames[static_cast<std::size_t>(i)]);
    return name == "?" || name.find("libc.so") != name.npos || name.find("libasan") != name.npos;
  };
  const std::string_view own = object_of(reinterpret_cast<void*>(&leave_if_in_hdf5));
  int i = 0;
  while (i < count && is_runtime(i)) ++i;                                          // backtrace itself
  while (i < count && object_of(frames[static_cast<std::size_t>(i)]) == own) ++i;  // the handlers
  while (i < count && is_runtime(i)) ++i;                                          // who called them
  if (i == count || object_of(frames[static_cast<std::size_t>(i)]).find("libhdf5") == std::string_view::npos) return;
  crash_report->in_hdf5 = crash_report->in_hdf5 + 1;
  _exit(kDiedInHdf5);
}

void on_crash(int signal) {
  leave_if_in_hdf5();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::uint64_t seed_of(const Words& words, std::uint64_t number) {
  return xxh64(std::as_bytes(std::span(&number, 1)), words.seed);
}

[[noreturn]] void child(const Reader& reader, const std::vector<std::string>& corpus, const Words& words,
                        Progress& progress) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlimit memory{kMemory_bytes, kMemory_bytes};
  setrlimit(RLIMIT_AS, &memory);
#endif
  crash_report = &progress;
  backtrace(std::array<void*, 1>{}.data(), 1);  // loads what it needs now, not in the handler
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE}) std::signal(signal, on_crash);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (; progress.next < words.count; ++progress.next) {
    alarm(kSlow_s);
    std::string message;
    const Outcome outcome = outcome_of(reader, mutant(corpus, seed_of(words, progress.next)), words.scratch, message);
    if (outcome >= foreign && progress.tally[foreign] + progress.tally[no_memory] == 0) {
      progress.first_foreign = progress.next;
      std::strncpy(progress.message, message.c_str(), sizeof(progress.message) - 1);
    }
    ++progress.tally[outcome];
  }
  _exit(0);
}

void keep(const Words& words, const std::vector<std::string>& corpus, std::uint64_t number, const std::string& what) {
  const fs::path file =
      words.findings / (words.reader + "_" + std::to_string(words.seed) + "_" + std::to_string(number));
  write(file, mutant(corpus, seed_of(words, number)));
  std::printf("%s %llu: %s: %s\n", words.reader.c_str(), static_cast<unsigned long long>(number), what.c_str(),
              file.c_str());
}

// Returns the number of findings.
std::uint64_t fuzz(const Reader& reader, const Words& words) {
  const std::vector<std::string> corpus = corpus_of(reader, words);
  fs::create_directories(words.findings);
  for (std::size_t i = 0; i < corpus.size(); ++i) {
    std::string message;
    if (outcome_of(reader, corpus[i], words.scratch, message) >= foreign) {
      std::printf("%s: file %zu of the corpus: %s\n", reader.name, i, message.c_str());
      return 1;
    }
  }
  void* const shared = mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) throw internal_error("mmap: {}", std::strerror(errno));
  Progress& progress = *new (shared) Progress;
  std::uint64_t crashed = 0, slow = 0;
  while (progress.next < words.count) {
    std::fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) child(reader, corpus, words, progress);
    int status = 0;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) break;
    if (WIFEXITED(status) && WEXITSTATUS(status) == kDiedInHdf5) {
      ++progress.next;
      continue;
    }
    const bool was_slow = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    ++(was_slow ? slow : crashed);
    keep(words, corpus, progress.next, was_slow ? "took more than 10 s" : "crashed");
    ++progress.next;
  }
  const std::uint64_t others = progress.tally[foreign] + progress.tally[no_memory];
  if (others > 0) keep(words, corpus, progress.first_foreign, progress.message);
  std::printf(
      "%-12s %3zu files %8llu mutants: %8llu read, %8llu refused, %llu other exceptions, %llu crashed, %llu hung%s\n",
      reader.name, corpus.size(), static_cast<unsigned long long>(words.count),
      static_cast<unsigned long long>(progress.tally[accepted]),
      static_cast<unsigned long long>(progress.tally[refused]), static_cast<unsigned long long>(others),
      static_cast<unsigned long long>(crashed), static_cast<unsigned long long>(slow),
      progress.in_hdf5 == 0 ? "" : (", " + std::to_string(progress.in_hdf5) + " crashed in libhdf5").c_str());
  return others + crashed + slow;
}

int run(int argc, char** argv) {
  Words words;
  const std::vector<Reader> readers = all_readers();
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--list") {
      for (const Reader& reader : readers) std::puts(reader.name);
      return 0;
    }
    if (!word.starts_with("--")) {
      words.reader = word;
      continue;
    }
    if (++i == argc) throw input_error("{} wants a value", word);
    if (word == "--count") words.count = std::stoull(argv[i]);
    if (word == "--seed") words.seed = std::stoull(argv[i]);
    if (word == "--corpus") words.corpus = argv[i];
    if (word == "--scratch") words.scratch = argv[i];
    if (word == "--findings") words.findings = argv[i];
    if (word == "--file") words.file = argv[i];
  }
  const auto row =
      std::ranges::find(readers, words.reader, [](const Reader& reader) { return std::string(reader.name); });
  if (row == readers.end()) throw input_error("no reader \"{}\": see --list", words.reader);
  if (words.scratch.empty()) throw input_error("--scratch is missing");
  fs::create_directories(words.scratch);
  if (words.file.empty()) return fuzz(*row, words) == 0 ? 0 : 1;
  std::string message = "read";
  const Outcome outcome = outcome_of(*row, read_back(words.file), words.scratch, message);
  std::puts(message.c_str());
  return outcome >= foreign ? 1 : 0;
}

}  // namespace

void leave_on_sanitizer_error() { leave_if_in_hdf5(); }

}  // namespace clip_hpc::fuzz

// AddressSanitizer calls it when it has told of an error.
extern "C" void __asan_on_error() { clip_hpc::fuzz::leave_on_sanitizer_error(); }  // NOLINT

int main(int argc, char** argv) {
  try {
    return clip_hpc::fuzz::run(argc, argv);
  } catch (const std::exception& problem) {
    std::fprintf(stderr, "fuzz_readers: %s\n", problem.what());
    return 2;
  }
}
