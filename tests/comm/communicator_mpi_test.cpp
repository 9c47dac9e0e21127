// The contract of every Communicator: operation x body x element type x size x chunk size, on 1 to 4 ranks, against
// values known in advance. Inputs are small integers, so every sum is exact in every type.
#include "clip_hpc/comm/communicator.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/comm/comm_options.hpp"
#include "tests/data/data_fixtures.hpp"
#include "tests/mpi_test.hpp"

namespace clip_hpc {
namespace {

const std::vector<at::ScalarType> kTypes{at::kFloat, at::kDouble, at::kBFloat16, at::kHalf,
                                         at::kInt,   at::kLong,   at::kByte,     at::kBool};
const std::vector<std::int64_t> kSizes{0, 1, 7, 1000, 65537};

// Element i on rank r: (i + 3 r) mod 11; for bool whether that is 0.
at::Tensor values(std::int64_t first, std::int64_t n, int rank, at::ScalarType type) {
  const at::Tensor index = at::arange(first, first + n, at::kLong);
  const at::Tensor small = (index + 3 * rank).remainder(11);
  return (type == at::kBool ? small.eq(0) : small.to(type)).to(test_device().device);
}

at::TensorOptions of(at::ScalarType type) { return at::TensorOptions().dtype(type).device(test_device().device); }

at::Tensor expected(std::int64_t first, std::int64_t n, int ranks, at::ScalarType type, ReduceOp op) {
  at::Tensor all = at::zeros({n}, of(at::kDouble));
  for (int rank = 0; rank < ranks; ++rank) {
    const at::Tensor one = values(first, n, rank, type).to(at::kDouble);
    all = op == ReduceOp::max ? at::maximum(all, one) : all + one;
  }
  return (op == ReduceOp::mean ? all.to(type) / ranks : all).to(type);
}

bool makes_sense(at::ScalarType type, ReduceOp op) {
  if (op == ReduceOp::mean) return at::isFloatingType(type);
  return op == ReduceOp::max || type != at::kBool;
}

// The bodies under test: one rank alone, MPI whole, MPI in small pieces.
std::vector<std::unique_ptr<Communicator>> bodies() {
  std::vector<std::unique_ptr<Communicator>> all;
  if (test_world().size() == 1) all.push_back(make_self_communicator());
  all.push_back(make_mpi_communicator(test_world()));
  all.push_back(make_mpi_communicator(test_world(), {.chunk_bytes = 4093}));
  all.push_back(make_mpi_communicator(test_world(), {.chunk_bytes = 65536}));
  if (!test_device().is_cpu() && !shared_device(test_world().all_gather_strings(test_device().identity))) {
    all.push_back(make_communicator(test_world(), {.backend = "nccl"}, test_device()));
  }
  return all;
}

template <class Case>
void for_all(const Case& run) {
  for (const auto& body : bodies()) {
    for (const at::ScalarType type : kTypes) {
      for (const std::int64_t n : kSizes) {
        SCOPED_TRACE(fmt::format("{} {} {}", body->name(), c10::toString(type), n));
        run(*body, type, n);
      }
    }
  }
}

template <class Case>
void for_all_ops(const Case& run) {
  for_all([&](Communicator& body, at::ScalarType type, std::int64_t n) {
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::mean, ReduceOp::max}) {
      SCOPED_TRACE(name_of(op));
      if (makes_sense(type, op)) run(body, type, n, op);
    }
  });
}

TEST(Communicator, KnowsItsPlace) {
  for (const auto& body : bodies()) {
    EXPECT_EQ(body->rank(), test_world().rank());
    EXPECT_EQ(body->size(), test_world().size());
    body->barrier();
  }
}

TEST(Communicator, AllReduce) {
  for_all_ops([](Communicator& body, at::ScalarType type, std::int64_t n, ReduceOp op) {
    const at::Tensor tensor = values(0, n, body.rank(), type);
    body.all_reduce(tensor, op);
    EXPECT_TRUE(at::equal(tensor, expected(0, n, body.size(), type, op)));
  });
}

TEST(Communicator, StartedAllReducesOverlap) {
  for_all_ops([](Communicator& body, at::ScalarType type, std::int64_t n, ReduceOp op) {
    std::vector<at::Tensor> slices;
    std::vector<Work> works;
    for (std::int64_t slice = 0; slice < 3; ++slice) {
      slices.push_back(values(slice * n, n, body.rank(), type));
      works.push_back(body.start_all_reduce(slices.back(), op));
      body.progress();
    }
    const at::Tensor other = values(5, 9, body.rank(), at::kFloat);
    body.all_reduce(other, ReduceOp::sum);  // a blocking call may pass those on their way
    EXPECT_TRUE(at::equal(other, expected(5, 9, body.size(), at::kFloat, ReduceOp::sum)));
    for (std::size_t slice = 3; slice-- > 0;) {  // waits come in any order
      works[slice].wait();
      EXPECT_TRUE(works[slice].done());
      EXPECT_TRUE(at::equal(slices[slice], expected(static_cast<std::int64_t>(slice) * n, n, body.size(), type, op)));
    }
  });
}

TEST(Communicator, StartReduceBringsTheSumToItsRootAlone) {
  for_all_ops([](Communicator& body, at::ScalarType type, std::int64_t n, ReduceOp op) {
    std::vector<at::Tensor> tensors;
    std::vector<Work> works;
    for (int root = 0; root < body.size(); ++root) {
      tensors.push_back(values(0, n, body.rank(), type));
      works.push_back(body.start_reduce(tensors.back(), op, root));
    }
    body.progress();
    for (int root = 0; root < body.size(); ++root) {
      works[static_cast<std::size_t>(root)].wait();
      const at::Tensor wanted =
          body.rank() == root ? expected(0, n, body.size(), type, op) : values(0, n, body.rank(), type);
      EXPECT_TRUE(at::equal(tensors[static_cast<std::size_t>(root)], wanted)) << root;
    }
  });
}

TEST(Communicator, WorkThatIsDroppedStillEnds) {
  for (const auto& body : bodies()) {
    const at::Tensor tensor = values(0, 1000, body->rank(), at::kFloat);
    { const Work work = body->start_all_reduce(tensor, ReduceOp::sum); }
    EXPECT_TRUE(at::equal(tensor, expected(0, 1000, body->size(), at::kFloat, ReduceOp::sum)));
  }
}

TEST(Communicator, AllGather) {
  for_all([](Communicator& body, at::ScalarType type, std::int64_t n) {
    const at::Tensor in = values(0, n, body.rank(), type);
    const at::Tensor out = at::zeros({body.size(), n}, of(type));
    body.all_gather(out, in);
    for (int rank = 0; rank < body.size(); ++rank) EXPECT_TRUE(at::equal(out[rank], values(0, n, rank, type)));
  });
}

TEST(Communicator, AllGatherOfAPartIntoItsWhole) {
  for_all([](Communicator& body, at::ScalarType type, std::int64_t n) {
    const at::Tensor all = at::zeros({body.size(), n}, of(type));
    all[body.rank()].copy_(values(0, n, body.rank(), type));
    body.all_gather(all, all[body.rank()]);
    for (int rank = 0; rank < body.size(); ++rank) EXPECT_TRUE(at::equal(all[rank], values(0, n, rank, type)));
  });
}

TEST(Communicator, ReduceScatter) {
  for_all_ops([](Communicator& body, at::ScalarType type, std::int64_t n, ReduceOp op) {
    const at::Tensor in = values(0, n * body.size(), body.rank(), type);
    const at::Tensor before = in.clone();
    const at::Tensor out = at::zeros({n}, of(type));
    body.reduce_scatter(out, in, op);
    EXPECT_TRUE(at::equal(out, expected(n * body.rank(), n, body.size(), type, op)));
    EXPECT_TRUE(at::equal(in, before));
  });
}

TEST(Communicator, Broadcast) {
  for_all([](Communicator& body, at::ScalarType type, std::int64_t n) {
    for (int root = 0; root < body.size(); ++root) {
      const at::Tensor tensor = values(0, n, body.rank(), type);
      body.broadcast(tensor, root);
      EXPECT_TRUE(at::equal(tensor, values(0, n, root, type)));
    }
  });
}

TEST(Communicator, LowPrecisionRoundsToNearestEven) {
  const int rank = test_world().rank();
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    const at::Tensor a = at::arange(1, 4097, at::kFloat).mul(0.37).to(type);
    at::Tensor b = at::arange(1, 4097, at::kFloat).mul(-0.0113).sin().to(type);
    if (test_world().size() == 1) b = at::zeros_like(b);
    const at::Tensor mine = (rank == 0 ? a : rank == 1 ? b : at::zeros_like(b)).clone();  // one rounding in all
    make_mpi_communicator(test_world())->all_reduce(mine, ReduceOp::sum);
    EXPECT_TRUE(at::equal(mine, (a.to(at::kFloat) + b.to(at::kFloat)).to(type)));
  }
}

TEST(Communicator, RefusesWhatDoesNotFit) {
  for (const auto& body : bodies()) {
    const int n = body->size();
    const auto refuses = [](const auto& call) {
      try {
        call();
        ADD_FAILURE() << "was accepted";
      } catch (const Error& problem) {
        EXPECT_EQ(problem.kind(), ErrorKind::internal) << problem.what();
      }
    };
    refuses([&] { body->all_gather(at::zeros({3 * n + 1}), at::zeros({3})); });
    refuses([&] { body->all_gather(at::zeros({3 * n}, at::kDouble), at::zeros({3})); });
    refuses([&] { body->reduce_scatter(at::zeros({3}), at::zeros({3 * n + 1}), ReduceOp::sum); });
    refuses([&] { body->all_reduce(at::zeros({4, 4}).t().narrow(0, 0, 2), ReduceOp::sum); });
    refuses([&] { body->all_reduce(at::Tensor(), ReduceOp::sum); });
    refuses([&] { body->all_reduce(at::zeros({3}, at::kInt), ReduceOp::mean); });
    refuses([&] { body->all_reduce(at::zeros({3}, at::kBool), ReduceOp::sum); });
    refuses([&] { body->all_reduce(at::zeros({3}, at::kShort), ReduceOp::sum); });
    refuses([&] { body->broadcast(at::zeros({3}), n); });
  }
}

TEST(Communicator, MeasuresItsWaits) {
  const auto body = make_mpi_communicator(test_world());
  body->all_reduce(at::zeros({1000}), ReduceOp::sum);
  EXPECT_GT(body->wait_s(), 0.0);
  EXPECT_EQ(body->in_flight().operation.load(), nullptr);
  EXPECT_GT(body->in_flight().started.load(), 0);
}

TEST(CommOptions, ChoosesTheBody) {
  const int n = test_world().size();
  EXPECT_EQ(make_communicator(test_world(), {})->name(), n == 1 ? "self" : "mpi");
  EXPECT_EQ(make_communicator(test_world(), {.backend = "mpi"})->name(), "mpi");
  const auto kind_of = [](const CommOptions& options) {
    try {
      make_communicator(test_world(), options);
    } catch (const Error& problem) {
      return problem.kind();
    }
    return ErrorKind::internal;
  };
  EXPECT_EQ(kind_of({.backend = "nccl"}), ErrorKind::device);
  // Every rank says it has the same GPU.
  const ComputeDevice one{at::Device(at::kCUDA, 0), "node7 0000:17:00.0", "a GPU", ""};
  if (n > 1) {
    test::expect_error(ErrorKind::comm, {"ranks 0 and 1 share the GPU node7 0000:17:00.0", "mpi"},
                       [&] { make_communicator(test_world(), {.backend = "nccl"}, one); });
    EXPECT_EQ(make_communicator(test_world(), {}, one)->name(), "mpi");  // moves tensors through the host
  }
  if (n > 1) {
    EXPECT_EQ(kind_of({.backend = "self"}), ErrorKind::input);
  }
}

}  // namespace
}  // namespace clip_hpc
