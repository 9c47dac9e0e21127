// All parameters of a model in one contiguous buffer; so are gradients and optimizer moments. A parameter and its
// gradient are views. A gradient bucket, an optimizer shard and a checkpoint slice are contiguous ranges of elements.
// The layout (name, shape, offset) is the order of declaration and is written into every checkpoint.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/model/arena/initial.hpp"

namespace clip_hpc {

struct Range {
  double low, high;
};

// Of position embeddings of an image: rows that belong to no patch, then the patches of a square.
struct PositionGrid {
  std::int64_t others = 0, side = 0;
};

// What a parameter is, said where it is declared.
struct ParameterTraits {
  bool decay = true;                      // weight decay applies
  bool position = false;                  // of position embeddings: optim.decay_positions decides on their decay
  std::optional<PositionGrid> grid = {};  // and of an image
  Initial initial = {};
  std::optional<Range> limits = {};  // the optimizer keeps its elements between these
  bool frozen = false;               // no gradient, no update: it lies among the buffers
  double lr_scale = 1;               // the learning rate is multiplied with this
  bool in_fp32 = false;              // used in fp32 whatever the compute type: ParameterArena::exact
  bool exported = true;              // false: kept in checkpoints, not among the weights that other programs read
};

struct ParameterSpec : ParameterTraits {
  std::string name;                 // open_clip's state_dict key
  std::vector<std::int64_t> shape;  // {} for a scalar
  std::int64_t offset = 0;          // in elements from the start of the arena; of a frozen one meaningless
  std::int64_t numel = 1;
  int part = 0, group = 0;            // the tower that it belongs to, and how deep in it (begin_part, begin_group)
  std::optional<std::size_t> buffer;  // of a frozen one: which
  std::vector<std::int64_t> factored_as = {};  // ParameterArena::factor_as; empty: its shape
};

// A tensor that is saved and, as a rule, exported, but not trained: BatchNorm's running statistics, frozen parameters.
// fp32 whatever the compute type, whole on every rank.
struct BufferSpec {
  std::string name;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  // in elements from the start of the buffers
  std::int64_t numel = 1;
  double initial = 0;
  bool exported = true;
};

struct NamedShape {
  std::string name;
  std::vector<std::int64_t> shape;
  std::optional<PositionGrid> grid = {};
};

struct LimitedRange {  // elements [offset, offset + numel) of the arena stay in [low, high]
  std::int64_t offset, numel;
  double low, high;
};

struct UpdateRange {  // elements [begin, end) of the arena that an optimizer treats alike
  std::int64_t begin, end;
  bool decay;
  double lr_scale = 1;
};

struct ArenaSlice {  // elements [begin, end) of an arena
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
  friend bool operator==(const ArenaSlice&, const ArenaSlice&) = default;
};

struct ArenaShare {  // which part of the optimizer's state this rank keeps; 0 of 1: all of it
  int part = 0, parts = 1;
};

// Parts of equal length, a multiple of 64 elements; the last ones may be shorter, or empty in a very small arena.
ArenaSlice arena_slice(std::int64_t numel, ArenaShare share);

class ParameterArena {
 public:
  // Declares one parameter, or one buffer, and returns its index. Only before allocate().
  std::size_t declare(std::string name, std::vector<std::int64_t> shape, ParameterTraits traits);
  std::size_t declare_buffer(std::string name, std::vector<std::int64_t> shape, double initial, bool exported = true);
  // What is declared from here on belongs to another part of the model, or lies a step deeper in this part: stem, each
  // block, head. Freezing and the decay of learning rates go by these.
  void begin_part();
  void begin_group() { ++group_; }
  int last_group(int part) const;

  // The same elements in more axes, for an optimizer that factors second moments over the two largest ones: that of a
  // projection of several heads are then factored head by head.
  void factor_as(std::size_t index, std::vector<std::int64_t> extents);

  // Freezes what `picks` says. Only before allocate().
  void freeze(const std::function<bool(const ParameterSpec&)>& picks);

  // Makes the buffers: fp32 master, gradients and, unless `compute` is fp32, weights in the compute type. Of the master
  // only `share` is kept.
  void allocate(at::ScalarType compute, at::Device device = at::kCPU, ArenaShare share = {});

  const std::vector<ParameterSpec>& specs() const { return specs_; }
  const std::vector<BufferSpec>& buffer_specs() const { return buffer_specs_; }
  const std::vector<LimitedRange>& limited() const { return limited_; }
  std::vector<NamedShape> exported() const;        // parameters, then buffers
  std::vector<UpdateRange> update_ranges() const;  // of what this rank holds; adjacent equal ones are one
  bool is_allocated() const { return weights_.defined(); }
  std::int64_t numel() const { return numel_; }                    // that are trained
  std::int64_t declared_numel() const { return declared_numel_; }  // with the frozen ones
  std::vector<ParameterSpec> trained() const;  // without the frozen ones, in the order of their offsets
  ArenaShare share() const { return share_; }
  ArenaSlice held() const { return held_; }  // the elements that this rank updates

  void decay_positions(bool on);  // before an optimizer is made of it
  // Layer-wise decay of learning rates: each group of a part learns by this factor slower than the one above it. Before
  // an optimizer is made of it.
  void scale_learning_rates(double factor);

  // Weights as their traits say (buffers have theirs from allocate() on). `scheme`: open_clip or clip_hpc
  // (initial.hpp).
  void initialise(const std::string& scheme, std::uint64_t seed);

  at::Tensor parameter(std::size_t index) const { return leaves_[index]; }  // leaf, compute type; grad unless frozen
  // The parameter in fp32, to the last bit of the master, of one that was declared so; its gradient goes to the leaf.
  // Of an arena in fp32 or fp64 the leaf itself.
  at::Tensor exact(std::size_t index) const;
  at::Tensor buffer(std::size_t index) const;  // fp32, a view of buffers()
  at::Tensor gradient_view(std::size_t index) const;
  at::Tensor master_view(std::size_t index) const;  // fp32, the same elements; of an arena that is not shared
  void set_parameter(std::size_t index, const at::Tensor& values);  // fp32 -> weights and what is held of the master

  at::Tensor& master() { return master_; }        // [held] fp32: the truth
  at::Tensor& weights() { return weights_; }      // [numel] compute type; for fp32 master is a view of it
  at::Tensor& gradients() { return gradients_; }  // [numel] compute type; backward accumulates here
  at::Tensor& buffers() { return buffers_; }      // [elements of all buffers] fp32
  void zero_gradients();
  void refresh_weights();                   // held weights <- master, after a restore
  void gather_weights(Communicator& comm);  // collective: every rank gets what the others hold, after an update

 private:
  std::vector<ParameterSpec> specs_;
  std::vector<BufferSpec> buffer_specs_;
  std::vector<LimitedRange> limited_;
  std::vector<at::Tensor> leaves_;
  at::Tensor master_, weights_, gradients_, buffers_;
  at::Tensor exact_values_;    // [parameters] fp32: of those in_fp32, where the master lies on several ranks
  at::Tensor padded_weights_;  // parts of equal length, as an all-gather wants them; weights_ is its beginning
  std::int64_t numel_ = 0, declared_numel_ = 0, buffer_numel_ = 0;
  int part_ = 0, group_ = 0;
  ArenaShare share_;
  ArenaSlice held_;
};

}  // namespace clip_hpc
