// What augmentations do, for tests/parity/augment_parity.py: augment_dump JOBS OUT. A line of JOBS:
//   apply IMAGE WIDTH HEIGHT CHANNELS OPERATION VALUE FILL SAMPLING X Y   -> appends the bytes of the result to OUT
//   draw VIEW SIDE COUNT N M MENDED   -> for each of COUNT samples a line of its calls, "OPERATION VALUE FILL
//   SAMPLING;"
// IMAGE holds planes, [channels, height, width].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iostream>
#include <sstream>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"
#include "clip_hpc/data/views/view.hpp"

namespace clip_hpc {
namespace {

constexpr std::array kSamplings{"nearest", "bilinear", "bicubic"};

Sampling sampling_named(const std::string& name) {
  return static_cast<Sampling>(std::ranges::find(kSamplings, name) - kSamplings.begin());
}

std::string applied(std::istringstream& words) {
  std::string file, operation, sampling;
  PixelPlanes planes;
  OperationCall call;
  int fill = 0;
  words >> file >> planes.width >> planes.height >> planes.channels >> operation >> call.value >> fill >> sampling >>
      call.x >> call.y;
  std::string bytes = read_text_file(file);
  planes.data = reinterpret_cast<std::uint8_t*>(bytes.data());
  if (!words || bytes.size() != planes.bytes()) throw input_error("{}: {} bytes", file, bytes.size());
  call.kind = &operation_kind(operation);
  call.fill = static_cast<std::uint8_t>(fill);
  call.sampling = sampling_named(sampling);
  OperationScratch scratch;
  apply_operation(planes, call, scratch);
  return bytes;
}

std::string drawn(std::istringstream& words) {
  std::string view, text;
  int side = 0;
  std::uint64_t count = 0;
  AugmentOptions options;
  words >> view >> side >> count >> options.operations >> options.magnitude >> options.mended;
  const ViewSpec spec = parse_view(view, side, options);
  for (std::uint64_t i = 0; i < count; ++i) {
    RandomStream random(7, Purpose::augment, i);
    OperationCalls calls;
    draw_steps(spec.steps, side, random, calls);
    for (const OperationCall& call : calls) {
      text += fmt::format("{} {} {} {};", call.kind->name, call.value, call.fill,
                          kSamplings[static_cast<std::size_t>(call.sampling)]);
    }
    text += "\n";
  }
  return text;
}

int run(const std::string& jobs, const std::string& out) {
  std::ifstream lines(jobs);
  std::ofstream into(out, std::ios::binary);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string what;
    words >> what;
    if (what != "apply" && what != "draw") throw input_error("unknown job {}", line);
    into << (what == "apply" ? applied(words) : drawn(words));
  }
  return into ? 0 : 1;
}

}  // namespace
}  // namespace clip_hpc

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw clip_hpc::input_error("augment_dump JOBS OUT");
    return clip_hpc::run(argv[1], argv[2]);
  } catch (const clip_hpc::Error& error) {
    std::cerr << error.what() << "\n";
    return 2;
  }
}
