// What an augmentation does to the pixels of a view: bytes, in place, without chance. Those with a peer give the very
// bytes of Pillow (which torchvision and timm call); those named tf_* follow big_vision's TensorFlow code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace clip_hpc {

struct PixelPlanes {  // [channels, height, width]; one channel is grey, three are RGB
  std::uint8_t* data = nullptr;
  int width = 0, height = 0, channels = 3;

  std::size_t plane_bytes() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(height); }
  std::size_t bytes() const { return plane_bytes() * static_cast<std::size_t>(channels); }
  std::uint8_t* plane(int channel) const { return data + plane_bytes() * static_cast<std::size_t>(channel); }
};

enum class Sampling : std::uint8_t { nearest, bilinear, bicubic };

struct OperationKind;
struct OperationCall {
  const OperationKind* kind = nullptr;
  double value = 0;       // what it means is the operation's business: its help says it
  std::uint8_t fill = 0;  // of what comes from outside of the image
  Sampling sampling = Sampling::nearest;
  double x = 0, y = 0;  // cutout: its centre, in fractions of the sides
};

using OperationScratch = std::vector<std::uint8_t>;
using ApplyOperation = void (*)(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);

struct OperationKind {
  const char* name;
  const char* help;  // of its value
  double shown;      // a value that shows what it does: for benchmarks and sheets
  ApplyOperation apply;
};

std::span<const OperationKind> operation_kinds();
const OperationKind& operation_kind(const std::string& name);  // throws input, naming the nearest one

void apply_operation(const PixelPlanes& image, const OperationCall& call, OperationScratch& scratch);

}  // namespace clip_hpc
