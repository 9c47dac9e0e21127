#include "tests/campaign/fuzz/mutate.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>

namespace clip_hpc::fuzz {
namespace {

class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : engine_() % limit; }
  std::uint64_t any() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

// Sizes, counts and offsets where they hurt.
constexpr std::array<std::uint64_t, 16> kNumbers{0,
                                                 1,
                                                 2,
                                                 7,
                                                 0x7f,
                                                 0x80,
                                                 0xff,
                                                 0x7fff,
                                                 0xffff,
                                                 0x10000,
                                                 0x7fffffff,
                                                 0x80000000,
                                                 0xffffffff,
                                                 0x7fffffffffffffff,
                                                 0x8000000000000000,
                                                 0xffffffffffffffff};
constexpr std::array<const char*, 12> kWords{
    "-1", "0",        "99999999999999999999", "1e308", "NaN", "null", "\"\"", "[]", "{\"\":",
    "\n", "\xff\xfe", "../../../etc/passwd"};

void put_number(std::string& bytes, Dice& dice) {
  const std::size_t width = std::size_t{1} << dice.below(4);
  if (bytes.size() < width) return;
  std::uint64_t number = kNumbers[dice.below(kNumbers.size())];
  const std::size_t at = dice.below(bytes.size() - width + 1);
  if (dice.below(2) == 0) {  // near to what it was
    std::uint64_t old = 0;
    std::memcpy(&old, bytes.data() + at, width);
    number = old + dice.below(9) - 4;
  }
  std::memcpy(bytes.data() + at, &number, width);
  if (dice.below(4) == 0)
    std::reverse(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                 bytes.begin() + static_cast<std::ptrdiff_t>(at + width));
}

void change_digits(std::string& bytes, Dice& dice) {
  const std::size_t from = dice.below(bytes.size());
  const std::size_t at = bytes.find_first_of("0123456789", from);
  if (at == std::string::npos) return;
  std::size_t end = at;
  while (end < bytes.size() && bytes[end] >= '0' && bytes[end] <= '9') ++end;
  bytes.replace(at, end - at, dice.below(2) == 0 ? std::to_string(dice.any()) : kWords[dice.below(kWords.size())]);
}

void change(std::string& bytes, std::span<const std::string> corpus, Dice& dice) {
  if (bytes.empty()) bytes = "\n";
  const std::size_t at = dice.below(bytes.size());
  const std::size_t length = std::min(bytes.size() - at, 1 + dice.below(dice.below(4) == 0 ? bytes.size() : 16));
  switch (dice.below(9)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << dice.below(8)));
      break;
    case 1:
      bytes[at] = static_cast<char>(dice.any());
      break;
    case 2:
      put_number(bytes, dice);
      break;
    case 3:
      bytes.erase(at, length);
      break;
    case 4:
      bytes.insert(dice.below(bytes.size()), bytes.substr(at, length));
      break;
    case 5:
      bytes.resize(at);
      break;
    case 6:
      change_digits(bytes, dice);
      break;
    case 7:
      bytes.insert(at, kWords[dice.below(kWords.size())]);
      break;
    default: {
      const std::string& other = corpus[dice.below(corpus.size())];
      if (other.empty()) break;
      const std::size_t from = dice.below(other.size());
      bytes.replace(at, length, other.substr(from, length));
    }
  }
}

}  // namespace

std::string mutant(std::span<const std::string> corpus, std::uint64_t seed) {
  Dice dice(seed);
  std::string bytes = corpus[dice.below(corpus.size())];
  for (std::size_t changes = 1 + dice.below(dice.below(3) == 0 ? 8 : 2); changes > 0; --changes)
    change(bytes, corpus, dice);
  return bytes;
}

}  // namespace clip_hpc::fuzz
