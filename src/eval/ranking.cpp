#include "clip_hpc/eval/ranking.hpp"

#include <ATen/core/grad_mode.h>
#include <algorithm>
#include <limits>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/eval/features.hpp"

namespace clip_hpc {
namespace {

// Rows begin .. begin + block - 1 with zeros behind the last: a GEMM of another shape may round otherwise.
at::Tensor block_of(const at::Tensor& rows, std::int64_t begin, std::int64_t block) {
  if (begin + block <= rows.size(0)) return rows.slice(0, begin, begin + block);
  at::Tensor padded = at::zeros({block, rows.size(1)}, rows.options());
  padded.slice(0, 0, rows.size(0) - begin).copy_(rows.slice(0, begin));
  return padded;
}

at::Tensor owners(const std::vector<std::int64_t>& owner, std::int64_t begin, std::int64_t end) {
  return at::tensor(at::ArrayRef<std::int64_t>(owner.data() + begin, static_cast<std::size_t>(end - begin)), at::kLong);
}

}  // namespace

std::vector<std::int64_t> places_of_own(Communicator& comm, const at::Tensor& queries, const at::Tensor& keys,
                                        const std::vector<std::int64_t>& query_owner,
                                        const std::vector<std::int64_t>& key_owner) {
  const at::NoGradGuard no_grad;
  const std::int64_t n = queries.size(0), m = keys.size(0);
  if (n != static_cast<std::int64_t>(query_owner.size()) || m != static_cast<std::int64_t>(key_owner.size())) {
    throw internal_error("places of {} queries among {} keys: an owner is missing", n, m);
  }
  at::Tensor places = at::zeros({n}, at::kLong);
  for (std::int64_t block = comm.rank(); block * kEvalBlock < n; block += comm.size()) {
    const std::int64_t begin = block * kEvalBlock, end = std::min(n, begin + kEvalBlock);
    const at::Tensor query = block_of(queries, begin, kEvalBlock);         // [kEvalBlock, dim]
    const at::Tensor mine = owners(query_owner, begin, end).unsqueeze(1);  // [block, 1]
    const auto scores_of = [&](std::int64_t first) {                       // [block, keys of this block]
      return at::matmul(query, block_of(keys, first, kKeyBlock).t())
          .slice(0, 0, end - begin)
          .slice(1, 0, std::min(kKeyBlock, m - first));
    };
    // The best own score and the first key that has it, from the blocks of keys that hold own keys: few, where the keys
    // lie in the order of their owners.
    const float none = -std::numeric_limits<float>::infinity();
    at::Tensor best = at::full({end - begin, 1}, none, at::kFloat);
    at::Tensor best_key = at::full({end - begin, 1}, m, at::kLong);
    const auto ends = std::minmax_element(query_owner.begin() + begin, query_owner.begin() + end);
    const std::int64_t low = *ends.first, high = *ends.second;
    for (std::int64_t first = 0; first < m; first += kKeyBlock) {
      const std::int64_t last = std::min(m, first + kKeyBlock);
      if (std::none_of(key_owner.begin() + first, key_owner.begin() + last,
                       [&](std::int64_t owner) { return owner >= low && owner <= high; })) {
        continue;
      }
      const at::Tensor own = owners(key_owner, first, last).unsqueeze(0) == mine;  // [block, keys]
      const at::Tensor scores = scores_of(first).masked_fill(own.logical_not(), none);
      const at::Tensor top = scores.amax(1, true);
      // argmax would not say which of equal ones it names; a score that is not a number equals none
      const at::Tensor index = at::arange(first, last, at::kLong).unsqueeze(0);
      const at::Tensor key = at::where(scores.eq(top).logical_and(own), index, m).amin(1, true);
      const at::Tensor better = top.gt(best).logical_or(top.isnan());
      best_key = at::where(better, key, best_key);
      best = at::where(better, top, best);  // what is not a number stays, and beats none
    }
    at::Tensor beaten = at::zeros({end - begin}, at::kLong);  // the best own key itself among them
    for (std::int64_t first = 0; first < m; first += kKeyBlock) {
      const at::Tensor scores = scores_of(first);
      const at::Tensor index = at::arange(first, first + scores.size(1), at::kLong).unsqueeze(0);
      beaten += best.gt(scores).logical_or(best.eq(scores).logical_and(index >= best_key)).sum(1, false, at::kLong);
    }
    places.slice(0, begin, end).copy_(m - beaten);
  }
  comm.all_reduce(places, ReduceOp::sum);  // the other ranks' places are zero
  return {places.const_data_ptr<std::int64_t>(), places.const_data_ptr<std::int64_t>() + n};
}

double recall_at(const std::vector<std::int64_t>& places, std::int64_t k) {
  if (places.empty()) return 0;
  const auto found = std::count_if(places.begin(), places.end(), [k](std::int64_t place) { return place < k; });
  return static_cast<double>(found) / static_cast<double>(places.size());
}

BestKeys best_keys(const at::Tensor& queries, const at::Tensor& keys, std::int64_t k) {
  const at::NoGradGuard no_grad;
  BestKeys best{at::empty({queries.size(0), 0}, at::kFloat), at::empty({queries.size(0), 0}, at::kLong)};
  for (std::int64_t first = 0; first < keys.size(0); first += kKeyBlock) {
    const at::Tensor part = block_of(keys, first, kKeyBlock);
    const std::int64_t count = std::min(kKeyBlock, keys.size(0) - first);
    const at::Tensor scores = at::matmul(queries, part.t()).slice(1, 0, count);
    const at::Tensor index = at::arange(first, first + count, at::kLong).unsqueeze(0).expand_as(scores);
    const at::Tensor all = at::cat({best.scores, scores}, 1), all_index = at::cat({best.indices, index}, 1);
    const at::Tensor order =  // stable: earlier keys stand before later ones of equal score
        std::get<1>(all.sort(/*stable=*/true, /*dim=*/1, /*descending=*/true)).slice(1, 0, std::min(k, all.size(1)));
    best = {all.gather(1, order), all_index.gather(1, order)};
  }
  return best;
}

}  // namespace clip_hpc
