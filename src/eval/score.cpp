#include "clip_hpc/eval/score.hpp"

#include <algorithm>
#include <chrono>
#include <limits>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/model/caption_ids.hpp"

namespace clip_hpc {
namespace {

constexpr std::chrono::seconds kTellEvery{30};

// Scores of samples [begin, end): [end - begin, 1] fp32
at::Tensor score_block(const EvalContext& context, const PackedSet& set, const ViewSpec& view, std::int64_t begin,
                       std::int64_t end) {
  const ModelConfig& config = context.model.config();
  std::vector<std::int64_t> broken;
  const at::Tensor pixels = image_pixels(set, view, begin, end, &broken);
  const at::Tensor x = normalise_pixels(pixels.to(context.model.device()), config.norm,
                                        context.model.arena().parameter(0).scalar_type());
  std::vector<std::string> captions;
  std::vector<std::int64_t> image_of, counts;  // of a caption; of an image
  for (std::int64_t i = begin; i < end; ++i) {
    for (std::string& caption : split_captions(set.captions(static_cast<std::uint64_t>(i)))) {
      captions.push_back(std::move(caption));
      image_of.push_back(i - begin);
    }
    counts.push_back(static_cast<std::int64_t>(captions.size()));
  }
  for (std::size_t i = counts.size(); i-- > 1;) counts[i] -= counts[i - 1];
  const at::Tensor ids = token_ids(context.tokenizer, context.model.text(), captions).to(context.model.device());
  const at::Tensor image = normalise_features(context.model.encode_image(x)).to(at::kCPU);  // [images, dim]
  const at::Tensor text = normalise_features(context.model.encode_text(ids)).to(at::kCPU);  // [captions, dim]
  const at::Tensor index = at::tensor(image_of, at::kLong);
  const at::Tensor cosines = (image.index_select(0, index) * text).sum(1);  // [captions]
  at::Tensor scores =
      at::zeros({end - begin}, at::kFloat).index_add_(0, index, cosines) / at::tensor(counts, at::kLong);
  if (!cosines.isfinite().all().item<bool>()) {
    throw input_error("the model gives features that are no numbers: score with another checkpoint");
  }
  for (const std::int64_t i : broken) scores[i - begin] = std::numeric_limits<float>::quiet_NaN();
  return scores.unsqueeze(1);
}

}  // namespace

std::vector<float> score(const EvalContext& context, const PackedSet& set,
                         const std::function<void(std::int64_t)>& tell) {
  const ViewSpec view = parse_view(context.view, static_cast<int>(context.model.image().image_size()));
  auto told = std::chrono::steady_clock::now();
  const at::Tensor scores =
      encode_blocks(context.comm, static_cast<std::int64_t>(set.count()), 1, [&](std::int64_t begin, std::int64_t end) {
        const auto now = std::chrono::steady_clock::now();
        if (tell && context.comm.rank() == 0 && now - told >= kTellEvery) {
          told = now;
          tell(begin);
        }
        return score_block(context, set, view, begin, end);
      });
  return {scores.const_data_ptr<float>(), scores.const_data_ptr<float>() + scores.numel()};
}

}  // namespace clip_hpc
