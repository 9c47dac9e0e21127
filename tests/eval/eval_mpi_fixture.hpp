// The small set and model of eval_fixtures.hpp, on all ranks.
#pragma once

#include <gtest/gtest.h>

#include <memory>

#include "clip_hpc/eval/features.hpp"
#include "tests/checkpoint/shared_folder.hpp"
#include "tests/eval/eval_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc::test {

struct OnAllRanks {
  explicit OnAllRanks(at::ScalarType type = at::kFloat)
      : set_((on_rank_0([&] { write_noise_set(folder_ / "set"); }), folder_ / "set")),
        tokenizer_(Tokenizer::load(folder_ / "set" / kTokenizerFileName)),
        model_(parse_model_config(Json::parse(kTinyModel), "tiny"), type),
        self_(make_self_communicator()),
        all_(make_mpi_communicator(test_world())) {
    model_.initialise("clip_hpc", 3);
  }
  EvalContext context() const { return {*all_, model_, tokenizer_}; }

  SharedFolder folder_;
  PackedSet set_;
  Tokenizer tokenizer_;
  ClipModel model_;
  std::unique_ptr<Communicator> self_, all_;
};

}  // namespace clip_hpc::test
