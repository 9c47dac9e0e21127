#include "clip_hpc/data/loading/loader.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

#include "clip_hpc/data/image/decode.hpp"
#include "tests/data/data_fixtures.hpp"

namespace clip_hpc {
namespace {

using test::expect_error;
using test::grey_sample;
using test::make_set;
using test::TempFolder;

LoaderOptions options_for(const std::shared_ptr<PackedSet>& set, std::uint64_t global_batch = 16) {
  LoaderOptions options;
  options.sources.push_back({set, 1, {}});
  options.views = {parse_view("drawing", 8), parse_view("resize", 8)};
  options.seed = 7;
  options.global_batch = global_batch;
  options.workers = 2;
  return options;
}

struct Row {
  std::uint64_t position, id;
  std::string caption;
  std::vector<std::uint8_t> pixels;  // of all views
  auto operator<=>(const Row&) const = default;
};

std::vector<Row> rows_of(const Batch& batch, std::size_t views, std::size_t view_bytes) {
  std::vector<Row> rows;
  const auto n = static_cast<std::size_t>(batch.n);
  for (std::size_t i = 0; i < n; ++i) {
    Row row{batch.positions[i], batch.sample_ids[i], batch.captions[i], {}};
    for (std::size_t v = 0; v < views; ++v) {
      const auto begin = batch.images.begin() + static_cast<std::ptrdiff_t>((v * n + i) * view_bytes);
      row.pixels.insert(row.pixels.end(), begin, begin + static_cast<std::ptrdiff_t>(view_bytes));
    }
    rows.push_back(row);
  }
  return rows;
}

std::vector<Row> run_ranks(LoaderOptions options, std::uint64_t world, std::int64_t steps) {
  std::vector<std::vector<Row>> by_step(static_cast<std::size_t>(steps));
  options.world = world;
  for (options.rank = 0; options.rank < world; ++options.rank) {
    BatchLoader loader(options);
    for (std::int64_t s = 0; s < steps; ++s) {
      const Batch batch = loader.next();
      EXPECT_EQ(batch.step, options.start_step + s);
      const auto rows = rows_of(batch, options.views.size(), options.views[0].bytes());
      auto& all = by_step[static_cast<std::size_t>(s)];
      all.insert(all.end(), rows.begin(), rows.end());
    }
  }
  std::vector<Row> joined;
  for (const auto& rows : by_step) joined.insert(joined.end(), rows.begin(), rows.end());
  return joined;
}

TEST(Loader, RowsAreWhatThePlanAndTheViewsSay) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 50);
  const LoaderOptions options = options_for(set);
  const auto rows = run_ranks(options, 1, 5);
  const SamplePlan plan({.count = 50, .seed = 7, .global_batch = 16});
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(rows[i].position, i);
    ASSERT_EQ(rows[i].id, plan.sample_at(i));
    ASSERT_EQ(rows[i].caption, "caption " + std::to_string(rows[i].id));
    PackedSample sample = grey_sample(rows[i].id);
    const Image image = image_from_raw(std::move(sample.image), sample.width, sample.height, 1);
    std::vector<std::uint8_t> want;
    for (std::uint64_t v = 0; v < 2; ++v) {
      std::vector<std::uint8_t> out(options.views[v].bytes());
      RandomStream random(7, Purpose::augment, i, v);
      apply_view(image, options.views[v], random, out);
      want.insert(want.end(), out.begin(), out.end());
    }
    ASSERT_EQ(rows[i].pixels, want);
  }
}

TEST(Loader, RanksThreadsMemoryAndResumeChangeNothing) {
  const TempFolder folder;
  LoaderOptions options = options_for(make_set(folder / "set", 77), 13);
  const auto want = run_ranks(options, 1, 9);
  for (const std::uint64_t world : {2U, 3U, 13U, 15U}) EXPECT_EQ(run_ranks(options, world, 9), want) << world;
  options.workers = 5;
  options.memory_bytes = 1;
  EXPECT_EQ(run_ranks(options, 2, 9), want);
  options.start_step = 4;
  EXPECT_EQ(run_ranks(options, 1, 5), std::vector<Row>(want.begin() + 4 * 13, want.end()));
}

TEST(Loader, WeightsSubsetsAndSeveralSets) {
  const TempFolder folder;
  const auto a = make_set(folder / "a", 10), b = make_set(folder / "b", 6);
  LoaderOptions options = options_for(a, 5);
  options.sources = {{a, 1, {1, 4, 9}}, {b, 2, {}}};  // an epoch: 3 + 2 * 6 places
  std::map<std::uint64_t, int> seen;
  for (const Row& row : run_ranks(options, 1, 3)) ++seen[row.id];
  const std::map<std::uint64_t, int> want{{1, 1}, {4, 1}, {9, 1}, {10, 2}, {11, 2}, {12, 2}, {13, 2}, {14, 2}, {15, 2}};
  EXPECT_EQ(seen, want);
  EXPECT_EQ(BatchLoader(options).epoch_samples(), 15U);
}

TEST(Loader, SequentialOrderForEvaluation) {
  const TempFolder folder;
  LoaderOptions options = options_for(make_set(folder / "set", 10), 4);
  options.shuffle = false;
  std::vector<std::uint64_t> ids;
  for (const Row& row : run_ranks(options, 2, 3)) ids.push_back(row.id);
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1}));
}

TEST(Loader, ChoosesAmongCaptions) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 4, 10, "raw", [](std::uint64_t i) {
    PackedSample sample = grey_sample(i);
    sample.captions = "a\nb\nc";
    return sample;
  });
  std::map<std::string, int> seen;
  for (const Row& row : run_ranks(options_for(set, 60), 1, 20)) ++seen[row.caption];
  ASSERT_EQ(seen.size(), 3U);
  for (const auto& [caption, times] : seen) EXPECT_NEAR(times, 400, 60) << caption;
}

std::shared_ptr<PackedSet> png_set(const std::filesystem::path& folder, std::uint64_t count,
                                   const std::function<bool(std::uint64_t)>& is_bad) {
  return make_set(folder, count, 1000, "mixed", [&](std::uint64_t i) {
    PackedSample sample = grey_sample(i);
    sample.image = encode_png({static_cast<int>(sample.width), static_cast<int>(sample.height), 1, sample.image});
    if (is_bad(i)) sample.image.resize(sample.image.size() / 2);
    return sample;
  });
}

TEST(Loader, BadSamplesAreReplacedCountedAndNamed) {
  const TempFolder folder;
  const LoaderOptions options = options_for(png_set(folder / "set", 40, [](auto i) { return i % 8 == 3; }), 10);
  const auto rows = run_ranks(options, 1, 4);
  for (const Row& row : rows) EXPECT_NE(row.id % 8, 3U);
  EXPECT_EQ(run_ranks(options, 3, 4), rows);  // the same replacements on any rank
  BatchLoader loader(options);
  for (int i = 0; i < 4; ++i) loader.next();
  const auto bad = loader.bad_samples();
  ASSERT_EQ(bad.size(), 5U);
  EXPECT_EQ(bad[1].sample_id, 11U);
  EXPECT_NE(bad[1].reason.find("PNG"), std::string::npos);
  EXPECT_EQ(loader.counters().bad_samples, 5U);
}

TEST(Loader, TooManyBadSamplesStop) {
  const TempFolder folder;
  LoaderOptions options = options_for(png_set(folder / "set", 400, [](auto i) { return i % 3 == 0; }), 100);
  expect_error(ErrorKind::storage, {"bad", "PNG"}, [&] {
    BatchLoader loader(options);
    for (int i = 0; i < 8; ++i) loader.next();
  });
  options = options_for(png_set(folder / "all_bad", 10, [](auto) { return true; }), 4);
  expect_error(ErrorKind::storage, {"PNG"}, [&] { BatchLoader(options).next(); });
}

TEST(Loader, FailuresOfThreadsSurfaceAgainAndAgain) {
  const TempFolder folder;
  BatchLoader loader(options_for(png_set(folder / "set", 10, [](auto) { return true; }), 4));
  for (int i = 0; i < 3; ++i) EXPECT_THROW(loader.next(), Error);
}

TEST(Loader, EndsAtAnyTime) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 100);
  for (int round = 0; round < 60; ++round) {
    LoaderOptions options = options_for(set, 32);
    options.workers = 1 + round % 4;
    options.memory_bytes = static_cast<std::uint64_t>(round % 3) * 30000;
    BatchLoader loader(options);
    for (int i = 0; i < round % 4; ++i) {
      Batch batch = loader.next();
      EXPECT_EQ(batch.step, i);
      EXPECT_EQ(batch.n, 32);
      loader.recycle(std::move(batch));
    }
  }  // its threads are joined here, whatever they were doing
}

// Memory for one batch only: its rows are shared out, so no thread may be left without any.
TEST(Loader, AllThreadsWorkOnOneBatch) {
  const TempFolder folder;
  LoaderOptions options = options_for(make_set(folder / "set", 100), 64);
  options.workers = 4;
  options.memory_bytes = 1;
  options.context = 2;
  std::mutex mutex;
  std::condition_variable arrived;
  std::set<std::thread::id> threads;
  options.encode = [&](std::string_view, std::span<std::int32_t> ids) {
    std::unique_lock lock(mutex);  // whoever comes waits until all four have a row
    threads.insert(std::this_thread::get_id());
    arrived.notify_all();
    arrived.wait_for(lock, std::chrono::seconds(10), [&] { return threads.size() == 4; });
    std::ranges::fill(ids, 0);
    return 1;
  };
  BatchLoader loader(options);
  EXPECT_EQ(loader.depth(), 1);
  loader.next();
  EXPECT_EQ(threads.size(), 4U);
}

TEST(Loader, KeepsToItsMemory) {
  const TempFolder folder;
  LoaderOptions options = options_for(make_set(folder / "set", 100), 10);
  options.memory_bytes = 5 * 10 * 2 * 3 * 64 + 100;
  BatchLoader loader(options);
  EXPECT_EQ(loader.batch_bytes(), 10U * 2 * 3 * 64);
  EXPECT_EQ(loader.depth(), 5);
  std::uint64_t before = 0;
  for (int i = 0; i < 200 && before < 50; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    before = loader.counters().samples;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(loader.counters().samples, 50U);  // five batches, then backpressure
  loader.next();
  const LoaderCounters counters = loader.counters();
  EXPECT_GT(counters.read_s, 0);
  EXPECT_GT(counters.augment_s, 0);
}

TEST(Loader, RefusesBadOptions) {
  const TempFolder folder;
  const auto set = make_set(folder / "set", 10);
  const auto refuse = [&](const std::string& word, auto change) {
    LoaderOptions options = options_for(set);
    change(options);
    expect_error(ErrorKind::input, {word}, [&] { BatchLoader{options}; });
  };
  refuse("data.train", [](LoaderOptions& o) { o.sources.clear(); });
  refuse("weight", [](LoaderOptions& o) { o.sources[0].weight = 0; });
  refuse("sample 10", [](LoaderOptions& o) { o.sources[0].ids = {10}; });
  refuse("one size", [](LoaderOptions& o) { o.views[1].size = 9; });
  refuse("data.workers", [](LoaderOptions& o) { o.workers = 0; });
  refuse("global batch", [](LoaderOptions& o) { o.global_batch = 0; });
}

}  // namespace
}  // namespace clip_hpc
