// Image features of a packed set on all ranks, computed once and kept in a file. Rows are computed in blocks of fixed
// size that go round the ranks, so every number is the same for any number of ranks.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "clip_hpc/comm/communicator.hpp"
#include "clip_hpc/data/packed/packed_set.hpp"
#include "clip_hpc/data/views/view.hpp"
#include "clip_hpc/model/clip_model.hpp"
#include "clip_hpc/text/tokenizer.hpp"

namespace clip_hpc {

// pooled: after ln_post, before the projection, as they are ("pre-logits"). projected: of unit length, what zero-shot
// compares.
enum class FeatureKind { pooled, projected };
const char* name_of(FeatureKind kind);

// What the tasks of one evaluation share: nothing is computed twice for the weights of one step.
struct FeatureMemo {
  std::map<std::pair<std::string, FeatureKind>, at::Tensor> images;  // by the set's folder
  std::map<std::string, at::Tensor> classes;                         // by class names and templates
  void forget(const PackedSet& set);
};

struct EvalContext {
  Communicator& comm;  // of tensors in host memory; the model may be on a GPU
  const ClipModel& model;
  const Tokenizer& tokenizer;
  std::string view = "resize";
  std::filesystem::path feature_folder = {};  // where features are kept between programs; empty: nowhere
  FeatureMemo* memo = nullptr;                // none: everything is computed when it is asked for
};

inline constexpr std::int64_t kEvalBlock = 64;  // rows that are computed together

// Calls encode(begin, end) -> [end - begin, width] for this rank's blocks; all ranks get all rows, in fp32. What one of
// them throws, which must be on its own and not in a collective, all of them throw.
at::Tensor encode_blocks(Communicator& comm, std::int64_t rows, std::int64_t width,
                         const std::function<at::Tensor(std::int64_t, std::int64_t)>& encode);

// Evaluation views draw nothing. into: uint8 [3, size, size].
void write_view(const ImageView& image, const ViewSpec& view, const at::Tensor& into);
// Images [begin, end) of the set: uint8 [end - begin, 3, size, size]. A picture that cannot be decoded is named in an
// error or, where `broken` is given, black and listed there.
at::Tensor image_pixels(const PackedSet& set, const ViewSpec& view, std::int64_t begin, std::int64_t end,
                        std::vector<std::int64_t>* broken = nullptr);

// Collective. fp32 [n, vision width or embed_dim], the same on all ranks.
at::Tensor image_features(const EvalContext& context, const PackedSet& set, FeatureKind kind);

// Collective. The same numbers to the last bit, from context.feature_folder where they are kept. What is kept are
// pooled features: the projection is applied to them. A damaged file is computed again, a folder that cannot be written
// is passed by, both with a warning.
at::Tensor kept_image_features(const EvalContext& context, const PackedSet& set, FeatureKind kind);

// Collective. The same numbers again: from context.memo, else as kept_image_features, and remembered there.
at::Tensor shared_image_features(const EvalContext& context, const PackedSet& set, FeatureKind kind);

bool all_finite(const at::Tensor& features);
// Collective. Throws input on all ranks where one of them has features that are no numbers.
void require_finite(const EvalContext& context, const PackedSet& set, bool finite);

// features_<weights, model, view and precision>_<the set>.h5
std::filesystem::path feature_file(const EvalContext& context, const PackedSet& set);

}  // namespace clip_hpc
