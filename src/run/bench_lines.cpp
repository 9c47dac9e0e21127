#include "clip_hpc/run/bench_lines.hpp"

#include <type_traits>

#include "clip_hpc/base/error.hpp"
#include "clip_hpc/base/file.hpp"

namespace clip_hpc {
namespace {

// Each list of fields stands once: writer and reader walk it, so they cannot disagree. `need`: a reader cannot do
// without it; `may`: an older version did not write it, or no reader wants it.
template <class Line, class Visit>
requires std::is_same_v<std::remove_const_t<Line>, RankTime>
void each_field(Line& line, Visit& visit) {
  visit.need("rank", line.rank);
  visit.need("host", line.host);
  visit.need("step_ms", line.step_ms);
  visit.need("work_ms", line.work_ms);
  visit.need("comm_wait_ms", line.comm_wait_ms);
  visit.need("data_wait_ms", line.data_wait_ms);
  visit.need("least_work_ms", line.least_work_ms);
  visit.need("median_work_ms", line.median_work_ms);
  visit.need("most_work_ms", line.most_work_ms);
}

template <class Line, class Visit>
requires std::is_same_v<std::remove_const_t<Line>, StepLine>
void each_field(Line& line, Visit& visit) {
  visit.need("bench", line.bench);
  visit.need("device", line.device);
  visit.need("model", line.model);
  visit.need("batch", line.batch);
  visit.need("precision", line.precision);
  visit.may("mask_ratio", line.mask_ratio);
  visit.may("image_size", line.image_size);
  visit.may("slip", line.slip);
  visit.may("text_tokens", line.text_tokens);
  visit.may("pack_captions", line.pack_captions);
  visit.may("micro_batch", line.micro_batch);
  visit.may("loss_columns", line.loss_columns);
  visit.may("recompute", line.recompute);
  visit.may("shard_optimizer", line.shard_optimizer);
  visit.may("cuda_graph", line.cuda_graph);
  visit.may("attention", line.attention);
  visit.may("comm", line.comm);
  visit.need("ranks", line.ranks);
  visit.may("threads", line.threads);
  visit.need("pairs_per_s", line.pairs_per_s);
  visit.need("step_ms", line.step_ms);
  visit.may("data_wait_ms", line.data_wait_ms);
  visit.may("prepare_ms", line.prepare_ms);
  visit.may("forward_ms", line.forward_ms);
  visit.may("backward_ms", line.backward_ms);
  visit.may("optimizer_ms", line.optimizer_ms);
  visit.may("comm_wait_ms", line.comm_wait_ms);
  visit.may("gap_ms", line.gap_ms);
  visit.may("tflops", line.tflops);
  visit.may("gemm_tflops", line.gemm_tflops);
  visit.may("of_gemm", line.of_gemm);
  visit.may("state_bytes", line.state_bytes);
  visit.may("rss_bytes", line.rss_bytes);
  visit.may("device_bytes", line.device_bytes);
  visit.may("mfu", line.mfu);
  visit.need("nodes", line.nodes);
  visit.need("gradient_bytes", line.gradient_bytes);
  visit.need("gradient_buckets", line.gradient_buckets);
  visit.need("gather_bytes", line.gather_bytes);
  visit.need("gradients_alone_ms", line.gradients_alone_ms);
  visit.need("gather_alone_ms", line.gather_alone_ms);
  visit.need("rank_steps", line.rank_steps);
  visit.may("label", line.label);
}

template <class Line, class Visit>
requires std::is_same_v<std::remove_const_t<Line>, CommLine>
void each_field(Line& line, Visit& visit) {
  visit.may("backend", line.backend);
  visit.may("device", line.device);
  visit.need("ranks", line.ranks);
  visit.need("nodes", line.nodes);
  visit.need("operation", line.operation);
  visit.need("bytes", line.bytes);
  visit.need("us", line.us);
  visit.may("algbw_mb_s", line.algbw_mb_s);
  visit.need("busbw_mb_s", line.busbw_mb_s);
  visit.may("wrong", line.wrong);
}

template <class Line, class Visit>
requires std::is_same_v<std::remove_const_t<Line>, CheckpointLine>
void each_field(Line& line, Visit& visit) {
  visit.may("model", line.model);
  visit.need("ranks", line.ranks);
  visit.need("nodes", line.nodes);
  visit.may("shard_optimizer", line.shard_optimizer);
  visit.need("bytes", line.bytes);
  visit.may("blocked_ms", line.blocked_ms);
  visit.need("write_ms", line.write_ms);
  visit.need("read_ms", line.read_ms);
}

template <class Line, class Visit>
requires std::is_same_v<std::remove_const_t<Line>, LoadLine>
void each_field(Line& line, Visit& visit) {
  visit.need("what", line.what);
  visit.need("threads", line.threads);
  visit.need("samples_per_s", line.samples_per_s);
  visit.need("mib_per_s", line.mib_per_s);
}

template <class Line, class Visit>
requires std::is_same_v<std::remove_const_t<Line>, LossLine>
void each_field(Line& line, Visit& visit) {
  visit.may("device", line.device);
  visit.may("loss", line.loss);
  visit.may("global", line.global);
  visit.may("rows", line.rows);
  visit.may("dim", line.dim);
  visit.may("columns", line.columns);
  visit.may("threads", line.threads);
  visit.may("forward_ms", line.forward_ms);
  visit.may("backward_ms", line.backward_ms);
  visit.may("macs", line.macs);
  visit.may("peak_bytes", line.peak_bytes);
  visit.may("largest_difference", line.largest_difference);
}

struct Writer {
  Json json = Json::object();

  template <class T>
  void need(const char* key, const T& value) {
    json[key] = value;
  }
  template <class T>
  void need(const char* key, const std::optional<T>& value) {
    if (value) json[key] = *value;
  }
  void need(const char* key, const std::vector<RankTime>& ranks) {
    Json& all = json[key] = Json::array();
    for (const RankTime& rank : ranks) {
      Writer one;
      each_field(rank, one);
      all.push_back(std::move(one.json));
    }
  }
  template <class T>
  void may(const char* key, const T& value) {
    need(key, value);
  }
};

struct Reader {
  const Json& json;

  template <class T>
  void get(const char* key, const Json& value, T& field) const {
    try {
      field = value.get<T>();
    } catch (const Json::exception&) {
      throw input_error("{} has the wrong type: {}", key, value.dump());
    }
  }
  template <class T>
  void get(const char* key, const Json& value, std::optional<T>& field) const {
    get(key, value, field.emplace());
  }
  void get(const char*, const Json& value, std::vector<RankTime>& ranks) const {
    for (const Json& one : value) {
      Reader reader{one};
      each_field(ranks.emplace_back(), reader);
    }
  }
  template <class T>
  void need(const char* key, T& field) const {
    const auto found = json.find(key);
    if (found == json.end()) throw input_error("{} is missing", key);
    get(key, *found, field);
  }
  template <class T>
  void may(const char* key, T& field) const {
    if (const auto found = json.find(key); found != json.end() && !found->is_null()) get(key, *found, field);
  }
};

template <class Line>
Json written(const Line& line, const char* bench) {
  Writer writer;
  if (bench != nullptr) writer.json["bench"] = bench;
  each_field(line, writer);
  return std::move(writer.json);
}

template <class Line>
Line read(const Json& json) {
  if (!json.is_object()) throw input_error("expected a JSON object, got {}", json.dump());
  Line line;
  Reader reader{json};
  each_field(line, reader);
  return line;
}

}  // namespace

Json to_json(const StepLine& line) { return written(line, nullptr); }
Json to_json(const CommLine& line) { return written(line, "comm"); }
Json to_json(const CheckpointLine& line) { return written(line, "checkpoint"); }
Json to_json(const LoadLine& line) { return written(line, "load"); }
Json to_json(const LossLine& line) { return written(line, "loss"); }

StepLine step_line_of(const Json& json) { return read<StepLine>(json); }
CommLine comm_line_of(const Json& json) { return read<CommLine>(json); }
CheckpointLine checkpoint_line_of(const Json& json) { return read<CheckpointLine>(json); }
LoadLine load_line_of(const Json& json) { return read<LoadLine>(json); }

std::optional<MeasuredRate> rate_of_line(const Json& json) {
  if (!json.is_object() || json.value("bench", "") != "step" || !json.contains("tflops")) return std::nullopt;
  return MeasuredRate{json.value("model", ""), json.value("precision", ""), json.at("tflops").get<double>()};
}

template <class Line>
void append_bench_line(const std::filesystem::path& file, const Line& line) {
  if (!file.empty()) append_line(file, to_json(line).dump());
}

template void append_bench_line(const std::filesystem::path&, const StepLine&);
template void append_bench_line(const std::filesystem::path&, const CommLine&);
template void append_bench_line(const std::filesystem::path&, const CheckpointLine&);
template void append_bench_line(const std::filesystem::path&, const LoadLine&);
template void append_bench_line(const std::filesystem::path&, const LossLine&);

}  // namespace clip_hpc
